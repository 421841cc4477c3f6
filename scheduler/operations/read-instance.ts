import type { ProjectId } from '../../proto/ids.ts'
import { type Refusal, refuse } from '../errors.ts'
import type { Filter, Order, PageStart } from '../model/filter.ts'
import type { InstanceEvent, InstanceRecord } from '../model/instance.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'

export async function readInstance(
  { project, idOrUid }: { project: ProjectId; idOrUid: string },
  { store }: Pick<OperationPorts, 'store'>,
): Promise<Outcome<InstanceRecord>> {
  const instance = await store.findInstance(project, idOrUid)
  return instance === undefined ? refuseInstance(project, idOrUid) : done(instance)
}

export const refuseInstance = (project: ProjectId, id: string): Refusal =>
  refuse('NOT_FOUND', { what: 'Instance', id, where: `project ${project}` })

export interface InstancePage {
  readonly instances: readonly InstanceRecord[]
  /** Absent on the last page. */
  readonly next?: PageStart
}

export interface ListRequest {
  readonly project: ProjectId
  readonly filter?: Filter
  readonly order?: Order
  readonly after?: PageStart
  readonly pageSize: number
}

export async function listInstances(
  { pageSize, ...where }: ListRequest,
  { store }: Pick<OperationPorts, 'store'>,
): Promise<InstancePage> {
  // One more than asked tells whether there is another page.
  const found = await store.listInstances({ ...where, limit: pageSize + 1 })
  const instances = found.slice(0, pageSize)
  const last = instances.at(-1)
  if (found.length <= pageSize || last === undefined) return { instances }
  return { instances, next: { value: placeOf(last, where.order), uid: last.uid } }
}

/** Where an instance stands in an order. */
function placeOf(
  { id, createdAtMs, updatedAtMs }: InstanceRecord,
  order: Order | undefined,
): string | number {
  switch (order?.field) {
    case 'id':
      return id
    case 'updatedAt':
      return updatedAtMs
    case 'createdAt':
    case undefined:
      return createdAtMs
  }
}

export async function listInstanceEvents(
  request: { project: ProjectId; idOrUid: string },
  ports: Pick<OperationPorts, 'store'>,
): Promise<Outcome<readonly InstanceEvent[]>> {
  const instance = await readInstance(request, ports)
  if (instance.kind === 'refused') return instance
  return done(await ports.store.listEvents(instance.value.uid))
}

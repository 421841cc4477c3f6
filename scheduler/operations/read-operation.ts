import { type OperationId, operationId, type ProjectId } from '../../proto/ids.ts'
import { refuse } from '../errors.ts'
import type { OperationRecord } from '../model/operation.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'

export async function readOperation(
  { project, id }: { project: ProjectId; id: string },
  { store }: Pick<OperationPorts, 'store'>,
): Promise<Outcome<OperationRecord>> {
  const found = await store.findOperation(project, operationId(id))
  const missing = { what: 'Operation', id, where: `project ${project}` }
  return found === undefined ? refuse('NOT_FOUND', missing) : done(found)
}

export interface OperationPage {
  readonly operations: readonly OperationRecord[]
  /** Absent on the last page. */
  readonly nextBeforeId?: OperationId
}

/** Newest first. */
export async function listOperations(
  request: { readonly project: ProjectId; readonly beforeId?: OperationId; readonly pageSize: number },
  { store }: Pick<OperationPorts, 'store'>,
): Promise<OperationPage> {
  const { pageSize, ...where } = request
  const found = await store.listOperations({ ...where, limit: pageSize + 1 })
  const operations = found.slice(0, pageSize)
  const last = operations.at(-1)
  return found.length > pageSize && last !== undefined
    ? { operations, nextBeforeId: last.id }
    : { operations }
}

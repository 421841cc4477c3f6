import type { ProjectId } from '../../proto/ids.ts'
import { refuse } from '../errors.ts'
import { done, type Outcome } from './outcome.ts'
import type { GuestAttribute, OperationPorts } from './ports.ts'
import { readInstance } from './read-instance.ts'

export interface ReadGuestAttributes {
  readonly project: ProjectId
  readonly idOrUid: string
  /** Nothing for all, NAMESPACE/ or NAMESPACE/KEY. */
  readonly queryPath: string
}

export interface GuestAttributeList {
  readonly instanceId: string
  /** By namespace and key. */
  readonly items: readonly GuestAttribute[]
}

export async function readGuestAttributes(
  request: ReadGuestAttributes,
  ports: OperationPorts,
): Promise<Outcome<GuestAttributeList>> {
  const { queryPath } = request
  const [, namespace, key] = /^(?:([A-Za-z0-9_.-]{1,128})(?:\/([A-Za-z0-9_.-]{1,128})?)?)?$/.exec(
    queryPath,
  ) ?? [undefined]
  if (queryPath !== '' && namespace === undefined) {
    const message = 'queryPath is NAMESPACE/ or NAMESPACE/KEY; leave it out for all guest attributes.'
    return refuse('INVALID_VALUE', { message }, 'queryPath')
  }
  const found = await readInstance(request, ports)
  if (found.kind === 'refused') return found
  const { id, uid, hostId, holds } = found.value
  // What holds nothing on its host any more has left nothing there.
  const reading =
    holds === 'nothing'
      ? { kind: 'attributes' as const, attributes: [] }
      : await ports.queries.readGuestAttributes({ hostId, instanceUid: uid })
  if (reading.kind === 'unavailable') {
    ports.log.info({ instanceUid: uid, hostId, reason: reading.reason }, reading.message)
    return refuse('GUEST_ATTRIBUTES_UNAVAILABLE', { id })
  }
  const items = reading.attributes
    .filter((one) => namespace === undefined || one.namespace === namespace)
    .filter((one) => key === undefined || one.key === key)
    .map((one) => ({ namespace: one.namespace, key: one.key, value: one.value }))
    .toSorted((a, b) => (`${a.namespace}/${a.key}` < `${b.namespace}/${b.key}` ? -1 : 1))
  if (key !== undefined && items.length === 0) {
    return refuse('NOT_FOUND', { what: 'Guest attribute', id: queryPath, where: `instance ${id}` })
  }
  return done({ instanceId: id, items })
}

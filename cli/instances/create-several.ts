import type { InstanceBatch, InstanceRequest } from '../client/resources.ts'
import { usageError } from '../exit-codes.ts'

export interface SeveralFlags {
  readonly count?: number
  readonly sameHostLabel?: string
}

/** As many that are alike; undefined where one is asked for. Without a name each gets one of its own. */
export function makeBatchRequest(
  one: InstanceRequest,
  { count, sameHostLabel }: SeveralFlags,
): InstanceBatch | undefined {
  if (count === undefined) {
    if (sameHostLabel !== undefined) throw usageError('--same-host-label needs --count.')
    return undefined
  }
  if (one.hostname !== undefined) throw usageError('--hostname is of one instance: leave it or --count out.')
  if (one.nics?.some(({ ipv4Address }) => ipv4Address !== undefined)) {
    throw usageError('--address is of one instance: leave it or --count out.')
  }
  const { id, ...rest } = one
  return {
    instances: Array.from({ length: count }, (_, at) =>
      id === undefined ? rest : { ...rest, id: `${id}-${at + 1}` },
    ),
    ...(sameHostLabel === undefined ? {} : { scheduling: { sameHostLabel } }),
  }
}

import { divideGuest } from '../../../proto/cell-shares.ts'
import type { InstanceObservation } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { HostPart, InstanceRecord } from '../../model/instance.ts'
import type { CellShare, Demand } from '../../model/placement.ts'
import { moveShares } from './cell-claims.ts'
import type { Tx } from './rows.ts'
import { touchHost } from './sequences.ts'

/** As it goes into the instance's row. */
export function readHostPart({ hostPart }: Pick<InstanceObservation, 'hostPart'>): string | null {
  if (hostPart === undefined) return null
  const { numaNodes, cpus, drift } = hostPart
  const part: HostPart = { numaNodes, cpus, ...(drift === '' ? {} : { drift }) }
  return JSON.stringify(part)
}

/**
 * Counts an instance where its host says that it is; undefined where it is counted so already. What is anywhere stays counted
 * with what was chosen for it, and a place of a reservation with what is kept.
 */
export async function countWhereItIs(
  tx: Tx,
  { demand, hostId, holds }: InstanceRecord,
  { hostPart }: Pick<InstanceObservation, 'hostPart'>,
): Promise<Demand | undefined> {
  const nodes = hostPart?.numaNodes ?? []
  if (nodes.length === 0 || holds !== 'everything' || demand.slotUid !== undefined) return undefined
  const shares = divideGuest(demand, nodes.length)?.map((part, at) => ({ ...part, numaNode: nodes[at] ?? 0 }))
  if (shares === undefined || isSame(shares, demand.cells)) return undefined
  if (!(await moveShares(tx, hostId, { from: demand.cells ?? [], to: shares }))) return undefined
  await touchHost(tx, hostId)
  return { ...demand, cells: shares }
}

const isSame = (some: readonly CellShare[], others: readonly CellShare[] | undefined) =>
  some.length === others?.length &&
  some.every(({ numaNode, vcpus, memoryMib }) =>
    others.some((one) => one.numaNode === numaNode && one.vcpus === vcpus && one.memoryMib === memoryMib),
  )

// NUMA cells in which GPUs are with the vCPUs and the memory of their guest.
import type { CellShare, Demand, GpuWish, HostDevice } from '../model/placement.ts'
import { type CountedCell, couldHold, hasRoomFor } from './counted-cells.ts'
import type { CountedHost, HostTraits } from './counted-host.ts'
import { servingPartitions } from './partitions.ts'

/** Those that have the GPUs free, and room for the whole guest. */
export function roomyCells(
  demand: Demand,
  { host, cells }: CountedHost,
  wish: GpuWish,
  free: readonly HostDevice[],
): readonly CountedCell[] {
  return cells.filter((cell) => hasRoomFor(cell, demand) && hasGpus(host, cell, wish, free))
}

/**
 * `same-numa` is about vCPUs and memory, too: of a guest that could be in one cell if nobody else were there. A larger one,
 * or one that wants GPUs of several kinds, has GPUs on one cell and the rest where there is room.
 */
export function hasCellAsAsked(
  demand: Demand,
  counted: CountedHost,
  wish: GpuWish,
  { free, all }: { readonly free: readonly HostDevice[]; readonly all: readonly HostDevice[] },
): boolean {
  if (wish.topology !== 'same-numa' || counted.cells.length === 0 || demand.gpus.length > 1) return true
  if (roomyCells(demand, counted, wish, free).length > 0) return true
  return !counted.cells.some((cell) => couldHold(cell, demand) && hasGpus(counted.host, cell, wish, all))
}

/** Of those that have the GPUs, the one that lacks least, and the larger part that it lacks of what is needed. */
export function nearestCell(
  demand: Demand,
  { host, cells }: CountedHost,
  wish: GpuWish,
  free: readonly HostDevice[],
):
  | {
      readonly cell: CountedCell
      readonly lacks: keyof Omit<CellShare, 'numaNode'>
      readonly shortfall: number
    }
  | undefined {
  return cells
    .filter((cell) => hasGpus(host, cell, wish, free))
    .map((cell) => {
      const vcpus = (demand.vcpus - cell.freeVcpus) / demand.vcpus
      const memoryMib = (demand.memoryMib - cell.freeMemoryMib) / demand.memoryMib
      const lacks = vcpus >= memoryMib ? ('vcpus' as const) : ('memoryMib' as const)
      return { cell, lacks, shortfall: Math.max(vcpus, memoryMib) }
    })
    .toSorted((a, b) => a.shortfall - b.shortfall)[0]
}

/** As many of them as asked are on the cell's node. */
function hasGpus(
  host: HostTraits,
  { numaNode }: CountedCell,
  wish: GpuWish,
  devices: readonly HostDevice[],
): boolean {
  const own = devices.filter((device) => device.numaNode === numaNode)
  if (own.length < wish.count) return false
  return (
    host.partitions === undefined ||
    servingPartitions(host, own, wish).some((one) => one.length === wish.count)
  )
}

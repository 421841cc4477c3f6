// What instances are counted with in the NUMA cells of their host: the same predicate for placement and for the transaction
// that commits it.
import type { CellShare, Demand, NumaCell } from './placement.ts'

/** The first share that its cell has no room for. */
export function findFullCell(
  cells: readonly NumaCell[],
  shares: readonly CellShare[],
): CellShare | undefined {
  return shares.find((share) => {
    const cell = cells.find(({ numaNode }) => numaNode === share.numaNode)
    if (cell === undefined) return true
    const { vcpus, memoryMib } = cell
    return share.vcpus > vcpus.capacity - vcpus.used || share.memoryMib > memoryMib.capacity - memoryMib.used
  })
}

/** With the shares taken, or given back for -1. Of a cell that is not there any more, nothing is. */
export const changeCells = <Cell extends NumaCell>(
  cells: readonly Cell[],
  shares: readonly CellShare[],
  sign: 1 | -1,
): readonly Cell[] =>
  cells.map((cell) => {
    const own = shares.filter(({ numaNode }) => numaNode === cell.numaNode)
    const sumOf = (what: 'vcpus' | 'memoryMib') => own.reduce((sum, share) => sum + share[what], 0)
    const { vcpus, memoryMib } = cell
    return {
      ...cell,
      vcpus: { ...vcpus, used: vcpus.used + sign * sumOf('vcpus') },
      memoryMib: { ...memoryMib, used: memoryMib.used + sign * sumOf('memoryMib') },
    }
  })

/** As it is placed. */
export function inCells(demand: Demand, cells: Demand['cells']): Demand {
  if (cells !== undefined) return { ...demand, cells }
  if (demand.cells === undefined) return demand
  const { cells: _, ...rest } = demand
  return rest
}

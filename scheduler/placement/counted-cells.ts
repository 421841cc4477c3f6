import type { CellShare, HostSnapshot, NumaCell } from '../model/placement.ts'

/** A NUMA cell of a host, kept up by claims in place. */
export interface CountedCell {
  readonly numaNode: number
  readonly vcpus: number
  readonly memoryMib: number
  freeVcpus: number
  freeMemoryMib: number
}

const none: readonly CountedCell[] = []

/** By their nodes. */
export function countCells({ cells }: Pick<HostSnapshot, 'cells'>): readonly CountedCell[] {
  if (cells === undefined) return none
  const counted = cells.map(({ numaNode, vcpus, memoryMib }) => ({
    ...{ numaNode, vcpus: vcpus.capacity, memoryMib: memoryMib.capacity },
    freeVcpus: vcpus.capacity - vcpus.used,
    freeMemoryMib: memoryMib.capacity - memoryMib.used,
  }))
  return counted.toSorted((a, b) => a.numaNode - b.numaNode)
}

export function takeOfCells(cells: readonly CountedCell[], shares: readonly CellShare[], sign: 1 | -1): void {
  for (const cell of cells) {
    for (const { numaNode, vcpus, memoryMib } of shares) {
      if (numaNode !== cell.numaNode) continue
      cell.freeVcpus -= sign * vcpus
      cell.freeMemoryMib -= sign * memoryMib
    }
  }
}

export const renderCell = ({
  numaNode,
  vcpus,
  memoryMib,
  freeVcpus,
  freeMemoryMib,
}: CountedCell): NumaCell => ({
  numaNode,
  vcpus: { capacity: vcpus, used: vcpus - freeVcpus },
  memoryMib: { capacity: memoryMib, used: memoryMib - freeMemoryMib },
})

type Size = Pick<CellShare, 'vcpus' | 'memoryMib'>

export const hasRoomFor = ({ freeVcpus, freeMemoryMib }: CountedCell, { vcpus, memoryMib }: Size): boolean =>
  vcpus <= freeVcpus && memoryMib <= freeMemoryMib

export const couldHold = (cell: CountedCell, { vcpus, memoryMib }: Size): boolean =>
  vcpus <= cell.vcpus && memoryMib <= cell.memoryMib

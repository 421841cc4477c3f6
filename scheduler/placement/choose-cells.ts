import { divideGuest } from '../../proto/cell-shares.ts'
import type { CellShare, Demand, GrantedDevice } from '../model/placement.ts'
import { type CountedCell, hasRoomFor } from './counted-cells.ts'
import type { CountedHost } from './counted-host.ts'

/**
 * What a guest is counted with in which cells of its host: those of its GPUs if they have room, else as few as have. It is
 * divided evenly, as guests are; where no cells have room for even parts, it is counted wherever something is left. undefined
 * where the cells are not known.
 */
export function chooseCells(
  demand: Demand,
  devices: readonly GrantedDevice[],
  host: CountedHost,
): readonly CellShare[] | undefined {
  if (host.cells.length === 0) return undefined
  const near = nodesOf(devices, host)
  const cells = inOrder(host, near)
  return divide(demand, cells, near) ?? divide(demand, cells, []) ?? spread(demand, cells)
}

function nodesOf(devices: readonly GrantedDevice[], { cells, stocks }: CountedHost): readonly number[] {
  if (devices.length === 0) return []
  const all = stocks.flatMap((stock) => stock.all)
  const nodes = devices.map(({ address }) => all.find((one) => one.address === address)?.numaNode)
  return cells.map(({ numaNode }) => numaNode).filter((node) => nodes.includes(node))
}

/** Those near the GPUs, then those with few GPUs to keep vCPUs for, the fullest first: the others keep room for large guests. */
function inOrder(host: CountedHost, near: readonly number[]): readonly CountedCell[] {
  const rank = (cell: CountedCell) => ({
    cell,
    isFar: near.includes(cell.numaNode) ? 0 : 1,
    gpus: freeGpusOn(host, cell.numaNode),
  })
  return host.cells
    .map(rank)
    .toSorted((a, b) => a.isFar - b.isFar || a.gpus - b.gpus || a.cell.freeVcpus - b.cell.freeVcpus)
    .map(({ cell }) => cell)
}

export function freeGpusOn({ stocks }: CountedHost, numaNode: number): number {
  let count = 0
  for (const { free } of stocks) for (const device of free) if (device.numaNode === numaNode) count += 1
  return count
}

/** Into as few even parts as there is room for, some of them in all of `needed`. */
function divide(
  demand: Demand,
  cells: readonly CountedCell[],
  needed: readonly number[],
): readonly CellShare[] | undefined {
  for (let count = Math.max(1, needed.length); count <= cells.length; count += 1) {
    const parts = divideGuest(demand, count)
    const largest = parts?.at(-1)
    if (parts === undefined || largest === undefined) continue
    const able = cells.filter((cell) => hasRoomFor(cell, largest))
    const nodes = able.slice(0, count).map(({ numaNode }) => numaNode)
    if (nodes.length < count || !needed.every((node) => nodes.includes(node))) continue
    const sorted = nodes.toSorted((a, b) => a - b)
    return parts.map((part, index) => ({ numaNode: sorted[index] ?? 0, ...part }))
  }
  return undefined
}

/** What of it is nowhere is counted with the host alone. */
function spread({ vcpus, memoryMib }: Demand, cells: readonly CountedCell[]): readonly CellShare[] {
  const left = { vcpus, memoryMib }
  const take = (what: 'vcpus' | 'memoryMib', free: number) => {
    const taken = Math.min(left[what], Math.max(0, free))
    left[what] -= taken
    return taken
  }
  return cells
    .map(({ numaNode, freeVcpus, freeMemoryMib }) => ({
      numaNode,
      vcpus: take('vcpus', freeVcpus),
      memoryMib: take('memoryMib', freeMemoryMib),
    }))
    .filter((share) => share.vcpus > 0 || share.memoryMib > 0)
    .toSorted((a, b) => a.numaNode - b.numaNode)
}

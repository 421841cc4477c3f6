// Memory of a guest with passed-through devices. All of it is pinned before the guest runs, for a device reads it by DMA: so
// it is made by many threads at once, near the CPUs that use it, and of pages as large as the host has to spare.
import { divideMemory } from '../../proto/cell-shares.ts'
import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { cellOf, type HeldByOthers, type HostCell, type HostHardware } from './host-hardware.ts'

/** The memory of one of the guest's cells. */
export interface GuestMemory {
  readonly sizeMib: number
  /** 0 for the kernel's own pages, which it joins to 2 MiB where it can. */
  readonly pageMib: number
  /** On the host; undefined where it lies anywhere. */
  readonly nodeId: number | undefined
  /** From this node or none; false where what is promised there is more than there is, and some may come from elsewhere. */
  readonly isBound: boolean
  readonly preallocThreads: number
}

/** QEMU fills 256 GiB in 131 s with one thread, in 19 s with 8, in 12 s with 16 (its commit 1e356fc14b). */
const mostPreallocThreads = 16

export function planMemory(plan: {
  readonly spec: Pick<InstanceSpec, 'vcpus' | 'memoryMib'>
  readonly nodeIds: readonly number[]
  readonly hardware: HostHardware
  readonly held: HeldByOthers
}): readonly GuestMemory[] {
  const { spec, nodeIds, hardware, held } = plan
  const count = Math.max(1, nodeIds.length)
  const sizes = divideMemory(spec.memoryMib, count)
  const pools = nodeIds.length === 0 ? [hardware.cells] : nodeIds.map((id) => [cellOf(hardware, id)])
  const fits = (pageMib: number) =>
    sizes.every((size, index) => size % pageMib === 0 && freeMib(pools[index] ?? [], pageMib) >= size)
  const pageMib = [1024, 2].find(fits) ?? 0
  return sizes.map((sizeMib, index) => {
    const nodeId = nodeIds[index]
    const room = nodeId === undefined ? 0 : roomMib(cellOf(hardware, nodeId), held)
    return {
      ...{ sizeMib, pageMib, nodeId },
      // The kernel would rather take memory from elsewhere than give up what files are cached in here, unless it must.
      isBound: nodeId !== undefined && (pageMib > 0 || room >= sizeMib),
      preallocThreads: threadsOf(spec.vcpus, count),
    }
  })
}

/** Where nothing is known of the host but that the guest sees so many cells. */
export function planUnboundMemory(
  spec: Pick<InstanceSpec, 'vcpus' | 'memoryMib'>,
  cells: number,
): readonly GuestMemory[] {
  const count = Math.max(1, cells)
  return divideMemory(spec.memoryMib, count).map((sizeMib) => ({
    ...{ sizeMib, pageMib: 0, nodeId: undefined, isBound: false },
    preallocThreads: threadsOf(spec.vcpus, count),
  }))
}

const threadsOf = (vcpus: number, cells: number) =>
  Math.min(Math.max(1, Math.floor(vcpus / cells)), mostPreallocThreads)

const freeMib = (cells: readonly HostCell[], pageMib: number) =>
  cells
    .flatMap(({ hugepages }) => hugepages)
    .filter((pool) => pool.pageMib === pageMib)
    .reduce((sum, { freePages }) => sum + freePages * pageMib, 0)

/** Pages that are set aside serve nobody else. */
function roomMib(cell: HostCell, held: HeldByOthers): number {
  const setAside = cell.hugepages.reduce((sum, { totalPages, pageMib }) => sum + totalPages * pageMib, 0)
  return cell.memoryMib - setAside - (held.memoryMib.get(cell.nodeId) ?? 0)
}

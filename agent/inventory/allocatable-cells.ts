import type { CpuCell } from '../../proto/gen/berth/agent/v1/host_pb.ts'

interface Allocatable {
  readonly vcpus: number
  readonly memoryMib: number
}

/** Each cell with its part of what guests may use: the host's own share is taken from all of them by their sizes. */
export function withAllocatable(cells: readonly CpuCell[], { vcpus, memoryMib }: Allocatable): CpuCell[] {
  const shares = {
    vcpus: divideBySize(vcpus, cells.map(cpusIn)),
    memoryMib: divideBySize(
      memoryMib,
      cells.map((cell) => Number(cell.memoryMib)),
    ),
  }
  return cells.map((cell, index) => ({
    ...cell,
    allocatableVcpus: shares.vcpus[index] ?? 0,
    allocatableMemoryMib: shares.memoryMib[index] ?? 0,
  }))
}

const cpusIn = ({ cores }: CpuCell) => cores.reduce((sum, { cpus }) => sum + cpus.length, 0)

/** Whole numbers, and all of them together the whole. */
function divideBySize(whole: number, sizes: readonly number[]): readonly number[] {
  const total = sizes.reduce((sum, size) => sum + size, 0)
  let before = 0
  return sizes.map((size) => {
    const from = upTo(before)
    before += size
    return upTo(before) - from
  })

  function upTo(size: number): number {
    return total === 0 ? 0 : Math.floor((whole * size) / total)
  }
}

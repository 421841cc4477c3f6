// How a guest is divided between NUMA cells: the scheduler counts by it, and agents make the guest's own cells by it.

export interface DividedShare {
  readonly vcpus: number
  readonly memoryMib: number
}

/** So that pages of this size fill each part but the last: what the guest sees does not hang on the day's pages. */
const granuleMib = 1024

/** Even in vCPUs, and in memory as even as large pages allow. undefined of a guest whose vCPUs can't be divided so. */
export function divideGuest(
  { vcpus, memoryMib }: DividedShare,
  count: number,
): readonly DividedShare[] | undefined {
  if (count < 1 || vcpus % count !== 0) return undefined
  return divideMemory(memoryMib, count).map((part) => ({ vcpus: vcpus / count, memoryMib: part }))
}

export function divideMemory(memoryMib: number, count: number): readonly number[] {
  const even = Math.floor(memoryMib / count)
  const part = even >= granuleMib ? Math.floor(even / granuleMib) * granuleMib : even
  return Array.from({ length: count }, (_, index) =>
    index < count - 1 ? part : memoryMib - part * (count - 1),
  )
}

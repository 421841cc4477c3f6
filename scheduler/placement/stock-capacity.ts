import type { CountedHost } from './counted-host.ts'
import type { GpuStock } from './gpu-stock.ts'
import { choosePartition, partitionsWithin } from './partitions.ts'
import { fits } from './pipeline.ts'
import { usualDemand } from './usual-demand.ts'

/** The GPUs of one type on a host, and how many requests they could serve if the host takes any. */
export interface StockCapacity {
  readonly type: string
  readonly gpus: number
  readonly claimed: number
  readonly free: number
  /** Nobody has it, and one project alone can get it. */
  readonly kept: number
  /** The most GPUs that requests of one size could get together. */
  readonly usable: number
  /** At n for requests of 2 to the power of n GPUs. */
  readonly requests: readonly number[]
}

export function capacityOf(host: CountedHost, stock: GpuStock): StockCapacity {
  const { type, all, free, kept } = stock
  const requests: number[] = []
  let usable = 0
  for (let size = 1; size <= all.length; size *= 2) {
    const count = free.length < size ? 0 : requestsOf(size, host, stock)
    requests.push(count)
    usable = Math.max(usable, size * count)
  }
  let claimed = 0
  for (const { acceleratorType, claimedBy } of host.snapshot.devices) {
    if (acceleratorType === type && claimedBy !== undefined) claimed += 1
  }
  return { ...{ type, gpus: all.length, claimed, free: free.length, kept: kept.length }, usable, requests }
}

/** Whether one fits, the rules say; those after it take as much of everything as it does. */
function requestsOf(size: number, host: CountedHost, stock: GpuStock): number {
  const demand = usualDemand(host, stock.type, size)
  if (!fits(demand, host)) return 0
  return Math.min(
    Math.floor(host.freeVcpus / demand.vcpus),
    Math.floor(host.freeMemoryMib / demand.memoryMib),
    Math.floor(host.freeDiskGb / demand.diskGb),
    setsOf(size, host, stock),
  )
}

/** How many times as many GPUs can be given out. */
function setsOf(size: number, { host }: CountedHost, { free }: GpuStock): number {
  let partitions = partitionsWithin(host, free)
  if (partitions === undefined) return Math.floor(free.length / size)
  const alike = partitions.filter((one) => one.length === size)
  // On boards that there are, those of a size have no GPU in common.
  if (new Set(alike.flat()).size === size * alike.length) return alike.length
  let sets = 0
  for (let one = choosePartition(partitions, size); one !== undefined; sets += 1) {
    const taken = one
    partitions = partitions.filter((other) => !other.some((address) => taken.includes(address)))
    one = choosePartition(partitions, size)
  }
  return sets
}

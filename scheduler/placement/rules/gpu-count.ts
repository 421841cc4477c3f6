import { describeTroubles } from '../../model/device.ts'
import type { Demand, HostDevice } from '../../model/placement.ts'
import type { CountedHost } from '../counted-host.ts'
import { freeFor, stocksFor, wishOf } from '../devices.ts'
import { partitionsWithin } from '../partitions.ts'
import { type Lack, lacksForGood, lacksNow, type Rule } from '../rule.ts'

/** Enough of each type are free, and one partition of as many where NVSwitches join them. */
export const gpuCount: Rule = {
  name: 'gpu-count',
  holds: (demand, host) => {
    const [only, another] = demand.gpus
    if (only === undefined) return true
    if (host.host.partitions !== undefined && another !== undefined) return false
    return stocksFor(demand, host).every((found) => {
      if (found === undefined) return false
      if (found.isNear) return true
      const free = freeFor(demand, found.stock)
      if (free.length < found.wish.count) return false
      const partitions = partitionsWithin(host.host, free)
      return partitions === undefined || partitions.some((one) => one.length === found.wish.count)
    })
  },
  explain: (demand, host) => {
    const types = stocksFor(demand, host).flatMap((found) => {
      if (found === undefined) return []
      const { stock, wish } = found
      const { type, all } = stock
      return { type, count: wish.count, all, free: freeFor(demand, stock).length }
    })
    const lacking = types.find(({ count, free }) => free < count)
    if (!lacking || !hasPartition(demand, host)) return explainPartitions(demand, host)
    const { type, count, all, free } = lacking
    return {
      describe: () => {
        const sentence = `it has ${free} of ${all.length} ${type} free and ${count} are needed`
        const troubles = troublesOf(demand, host, type)
        return troubles === '' ? sentence : `${sentence}: ${troubles}`
      },
      // Of every type, not only of the one that is told.
      couldEverFit: types.every((one) => one.count <= one.all.length),
      shortfall: (count - free) / count,
    }
  },
}

function troublesOf(demand: Demand, host: CountedHost, type: string): string {
  const unclaimed = host.snapshot.devices.filter(
    ({ acceleratorType, claimedBy }) => acceleratorType === type && claimedBy === undefined,
  )
  return describeTroubles(unclaimed, wishOf(demand, host.host))
}

/** Of the size that is asked for, be it free or not; where nothing joins the GPUs, any number will do. */
function hasPartition(demand: Demand, host: CountedHost): boolean {
  const [found, another] = stocksFor(demand, host)
  if (host.host.partitions === undefined) return true
  if (found === undefined || another !== undefined) return false
  return sizesOf(host, found.stock.all).includes(found.wish.count)
}

const sizesOf = ({ host }: CountedHost, devices: readonly HostDevice[]): readonly number[] =>
  (partitionsWithin(host, devices) ?? []).map((one) => one.length)

/** Where NVSwitches join them, a guest gets exactly those of one partition. */
function explainPartitions(demand: Demand, host: CountedHost): Lack {
  const [found, another] = stocksFor(demand, host)
  if (found === undefined) return lacksForGood(() => 'it has no such GPU')
  const { type, all } = found.stock
  const { count } = found.wish
  if (hasPartition(demand, host)) {
    const message = () => `NVSwitches join its ${type}, and none of their partitions of ${count} is free`
    return lacksNow(message, 1 / count)
  }
  const possible = [...new Set(sizesOf(host, all))].toSorted((a, b) => a - b).join(', ')
  const gets = another === undefined ? `${possible === '' ? 'none' : possible} of them` : 'one type of them'
  return lacksForGood(() => `NVSwitches join its ${type}, and a guest gets ${gets}`, 1 / count)
}

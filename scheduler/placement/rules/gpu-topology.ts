import type { Demand, GpuTopology, HostDevice } from '../../model/placement.ts'
import type { CountedHost } from '../counted-host.ts'
import { freeFor, type StockedWish, stocksFor } from '../devices.ts'
import { servingPartitions } from '../partitions.ts'
import { type Lack, lacksForGood, lacksNow, type Rule } from '../rule.ts'
import { largestGroup, placeOf } from '../topology.ts'

/** As many as asked are near to one another, as asked. */
export const gpuTopology: Rule = {
  name: 'gpu-topology',
  holds: (demand, host) => {
    if (!demand.gpus.some(({ topology = 'any' }) => topology !== 'any')) return true
    return findApart(demand, host) === undefined
  },
  explain: (demand, host) => {
    const apart = findApart(demand, host)
    return apart === undefined ? lacksForGood(() => 'it has no such GPU') : explainApart(demand, host, apart)
  },
}

const findApart = (demand: Demand, host: CountedHost) =>
  stocksFor(demand, host).find((found) => found?.isNear === false)

const places: Readonly<Record<GpuTopology, string>> = {
  any: 'anywhere',
  'same-numa': 'on one NUMA node',
  'same-switch': 'below one PCIe switch',
  fabric: 'joined by NVSwitches',
}

function explainApart(demand: Demand, host: CountedHost, { wish, stock }: StockedWish): Lack {
  const { count, topology = 'any' } = wish
  const nearest = nearestOf(host, freeFor(demand, stock), wish)
  const message = () => `it has ${nearest} ${stock.type} free ${places[topology]} and ${count} are needed`
  const possible = nearestOf(host, stock.all, wish)
  const shortfall = Math.max((count - nearest) / count, 1 / count)
  return possible >= count ? lacksNow(message, shortfall) : lacksForGood(message, shortfall)
}

/** The most that are as near to one another as asked: in a partition of that size, where partitions are. */
function nearestOf({ host }: CountedHost, devices: readonly HostDevice[], wish: StockedWish['wish']): number {
  if (host.partitions !== undefined) {
    const sizes = servingPartitions(host, devices, wish).map((one) => one.length)
    return sizes.includes(wish.count) ? wish.count : Math.max(0, ...sizes.filter((size) => size < wish.count))
  }
  const of = placeOf[wish.topology ?? 'any']
  return of === undefined ? 0 : largestGroup(devices, of)
}

import type { HostSnapshot } from '../model/placement.ts'
import type { CountedHost } from './counted-host.ts'
import { capacityOf, type StockCapacity } from './stock-capacity.ts'

/** How many requests of one size could be placed now, if no others came. */
export interface Placeable {
  readonly gpus: number
  readonly requests: number
}

/** The GPUs of one type in a zone: what there is, and what requests could get of it now. */
export interface GpuCapacity {
  readonly zone: string
  readonly type: string
  readonly hosts: number
  /** Those of them that take instances. */
  readonly readyHosts: number
  readonly gpus: number
  /** An instance or a reservation has them. */
  readonly claimed: number
  /** On hosts that take instances, for everybody. */
  readonly free: number
  /** On hosts that take instances, for the project alone whose data nothing has scrubbed from it. */
  readonly kept: number
  /** All others: on their way back, quarantined, gone, or on hosts that take nothing. */
  readonly unavailable: number
  /** Of those that are free the ones that no request can use, for want of vCPUs, memory or a partition. */
  readonly stranded: number
  /** By size, the largest first. */
  readonly placeable: readonly Placeable[]
  /** The largest size of which one could be placed now; 0 where none. */
  readonly largest: number
}

interface Total extends Pick<GpuCapacity, 'zone' | 'type'> {
  hosts: number
  readyHosts: number
  gpus: number
  claimed: number
  free: number
  kept: number
  usable: number
  readonly requests: number[]
}

/** Counts each host once for as long as it stays as it is: what a look costs follows what has changed since the last. */
export class CapacityCounter {
  readonly #known = new WeakMap<HostSnapshot, readonly StockCapacity[]>()

  /** By zone and type, in their order. */
  count(hosts: Iterable<CountedHost>): readonly GpuCapacity[] {
    const zones = new Map<string, Map<string, Total>>()
    for (const counted of hosts) {
      if (counted.stocks.length === 0) continue
      const { zone, state, connected } = counted.host
      const isReady = state === 'ready' && connected
      const types = zones.get(zone) ?? new Map<string, Total>()
      zones.set(zone, types)
      for (const stock of this.#stocksOf(counted)) {
        const total = types.get(stock.type) ?? emptyTotal(zone, stock.type)
        types.set(stock.type, total)
        add(total, stock, isReady)
      }
    }
    const totals = [...zones.values()].flatMap((types) => [...types.values()])
    return totals.toSorted(byZoneAndType).map(finish)
  }

  #stocksOf(counted: CountedHost): readonly StockCapacity[] {
    // Claims are made in place: of a host that has changed this is another.
    const { snapshot } = counted
    const known = this.#known.get(snapshot)
    if (known !== undefined) return known
    const stocks = counted.stocks.map((stock) => capacityOf(counted, stock))
    // Of one that is out of reach the rules say nothing else.
    if (counted.host.connected) this.#known.set(snapshot, stocks)
    return stocks
  }
}

const emptyTotal = (zone: string, type: string): Total => ({
  ...{ zone, type, hosts: 0, readyHosts: 0, gpus: 0, claimed: 0, free: 0, kept: 0, usable: 0, requests: [] },
})

function add(total: Total, stock: StockCapacity, isReady: boolean): void {
  const { gpus, claimed, free, kept, usable, requests } = stock
  total.hosts += 1
  total.gpus += gpus
  total.claimed += claimed
  for (let power = 0; power < requests.length; power += 1) {
    total.requests[power] = (total.requests[power] ?? 0) + (isReady ? (requests[power] ?? 0) : 0)
  }
  if (!isReady) return
  total.readyHosts += 1
  total.free += free
  total.kept += kept
  total.usable += usable
}

const byZoneAndType = (a: Total, b: Total) =>
  (a.zone === b.zone ? a.type < b.type : a.zone < b.zone) ? -1 : 1

function finish({ requests, usable, ...total }: Total): GpuCapacity {
  const placeable = requests.map((count, power) => ({ gpus: 2 ** power, requests: count })).reverse()
  const largest = placeable.find((one) => one.requests > 0)?.gpus ?? 0
  const unavailable = total.gpus - total.claimed - total.free - total.kept
  return { ...total, unavailable, stranded: total.free - usable, placeable, largest }
}

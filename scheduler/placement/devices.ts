import type { DeviceWish } from '../model/device.ts'
import type {
  Demand,
  GpuTopology,
  GpuWish,
  GrantedDevice,
  HostDevice,
  HostSnapshot,
} from '../model/placement.ts'
import type { CountedHost } from './counted-host.ts'
import type { GpuStock } from './gpu-stock.ts'
import { hasCellAsAsked, roomyCells } from './near-cells.ts'
import { choosePartition, servingPartitions } from './partitions.ts'
import { largestGroup, numaNodeOf, placeOf, switchOf } from './topology.ts'

export const wishOf = (demand: Demand, host: Pick<HostSnapshot, 'unscrubbedDevices'>): DeviceWish => ({
  project: demand.project,
  policy: host.unscrubbedDevices ?? 'quarantine',
})

/** The same predicate as the store's at the commit. */
export function freeFor(demand: Demand, stock: GpuStock): readonly HostDevice[] {
  if (stock.kept.length === 0 || demand.project === undefined) return stock.free
  const own = stock.kept.filter(({ unscrubbedProject }) => unscrubbedProject === demand.project)
  return own.length === 0 ? stock.free : [...stock.free, ...own].toSorted(byAddress)
}

/** One wish, and the type of GPU that it would get on a host. */
export interface StockedWish {
  readonly wish: GpuWish
  readonly stock: GpuStock
  /** Enough are free, and as near to one another as asked. */
  readonly isNear: boolean
  /** It can serve it now. */
  readonly isAble: boolean
}

export const isWanted = ({ type, alternatives }: GpuWish, offered: string): boolean =>
  offered === type || alternatives?.includes(offered) === true

/**
 * For each wish the first of its types that can serve it there, or that there is at all. Wishes that get different types
 * don't share GPUs.
 */
export function stocksFor(demand: Demand, host: CountedHost): readonly (StockedWish | undefined)[] {
  const [only, another] = demand.gpus
  if (only !== undefined && another === undefined) return [stockFor(demand, host, only)]
  const taken: GpuStock[] = []
  return demand.gpus.map((wish) => {
    const found = stockFor(demand, host, wish, taken)
    if (found !== undefined) taken.push(found.stock)
    return found
  })
}

function stockFor(
  demand: Demand,
  host: CountedHost,
  wish: GpuWish,
  taken?: readonly GpuStock[],
): StockedWish | undefined {
  let best: { stock: GpuStock; isNear: boolean; isAble: boolean; rank: number } | undefined
  for (const stock of host.stocks) {
    if (!isWanted(wish, stock.type) || taken?.includes(stock)) continue
    const isNear = hasNear(demand, host, wish, stock)
    const isAble = isNear && (host.cells.length === 0 || hasCell(demand, host, wish, stock))
    const rank = stock.type === wish.type ? -1 : (wish.alternatives?.indexOf(stock.type) ?? 0)
    const one = { stock, isNear, isAble, rank }
    if (best === undefined || isBetter(one, best)) best = one
  }
  return best && { wish, stock: best.stock, isNear: best.isNear, isAble: best.isAble }
}

type Served = Pick<StockedWish, 'isNear' | 'isAble'> & { readonly rank: number }

function isBetter(a: Served, b: Served): boolean {
  if (a.isAble !== b.isAble) return a.isAble
  if (a.isNear !== b.isNear) return a.isNear
  return a.rank < b.rank
}

const hasCell = (demand: Demand, host: CountedHost, wish: GpuWish, stock: GpuStock): boolean =>
  hasCellAsAsked(demand, host, wish, { free: freeFor(demand, stock), all: stock.all })

/** Enough are free, and as near to one another as asked. */
function hasNear(demand: Demand, { host }: CountedHost, wish: GpuWish, stock: GpuStock): boolean {
  const { count, topology = 'any' } = wish
  if (stock.free.length + stock.kept.length < count) return false
  const free = freeFor(demand, stock)
  if (free.length < count) return false
  if (host.partitions === undefined) return areNear(free, count, topology)
  return servingPartitions(host, free, wish).some((one) => one.length === count)
}

function areNear(free: readonly HostDevice[], count: number, topology: GpuTopology): boolean {
  if (topology === 'any') return true
  const of = placeOf[topology]
  return of !== undefined && largestGroup(free, of) >= count
}

/** The exact devices, on a host that can serve the demand. */
export function chooseDevices(demand: Demand, host: CountedHost): readonly GrantedDevice[] {
  if (demand.gpus.length === 0) return []
  return stocksFor(demand, host).flatMap((found) => {
    if (found === undefined) return []
    const { wish, stock } = found
    const free = freeFor(demand, stock)
    const roomy = nearRoom(demand, host, wish, free)
    const addresses =
      host.host.partitions === undefined
        ? chooseNear(roomy, wish).map(({ address }) => address)
        : (choosePartition(servingPartitions(host.host, free, wish), wish.count, (one) =>
            one.every((address) => roomy.some((device) => device.address === address)),
          ) ?? [])
    return addresses.map((address) => ({ type: stock.type, address }))
  })
}

/** Those in cells with room for the whole guest where these have enough of them, and as near as asked; else all. */
function nearRoom(
  demand: Demand,
  host: CountedHost,
  wish: GpuWish,
  free: readonly HostDevice[],
): readonly HostDevice[] {
  if (host.cells.length === 0 || demand.gpus.length > 1) return free
  const nodes = roomyCells(demand, host, wish, free).map(({ numaNode }) => numaNode)
  const near = free.filter(({ numaNode }) => nodes.includes(numaNode))
  const isEnough = host.host.partitions !== undefined || areNear(near, wish.count, wish.topology ?? 'any')
  return near.length > 0 && isEnough ? near : free
}

/**
 * All on one NUMA node if a node has enough, the node with the fewest left over so that larger requests keep theirs;
 * otherwise the nodes with most free, so that few are touched. Below a node the same once more by PCIe switches.
 */
function chooseNear(
  free: readonly HostDevice[],
  { count, topology = 'any' }: GpuWish,
): readonly HostDevice[] {
  if (count === free.length) return free
  const of = placeOf[topology]
  // Of those whose place nobody knows, one is near to itself at most.
  const able = of === undefined || count === 1 ? free : free.filter((device) => of(device) !== undefined)
  if (topology === 'same-switch') return chooseWithin(groupsOf(able, switchOf), count, takeFirst)
  return chooseWithin(groupsOf(able, numaNodeOf), count, (node, wanted) =>
    chooseWithin(groupsOf(node, switchOf), wanted, takeFirst),
  )
}

type Take = (group: readonly HostDevice[], count: number) => readonly HostDevice[]

const takeFirst: Take = (group, count) => group.slice(0, count)

function chooseWithin(
  groups: readonly (readonly HostDevice[])[],
  count: number,
  take: Take,
): readonly HostDevice[] {
  const [only, another] = groups
  if (only !== undefined && another === undefined) return take(only, count)
  const sorted = groups.toSorted(bySize)
  const roomy = sorted.find((group) => group.length >= count)
  if (roomy) return take(roomy, count)
  const chosen: HostDevice[] = []
  for (const group of sorted.reverse()) {
    if (chosen.length === count) break
    chosen.push(...take(group, Math.min(group.length, count - chosen.length)))
  }
  return chosen
}

function groupsOf(
  devices: readonly HostDevice[],
  of: (device: HostDevice) => number | string | undefined,
): readonly (readonly HostDevice[])[] {
  const places: (number | string | undefined)[] = []
  const groups: HostDevice[][] = []
  for (const device of devices) {
    const at = places.indexOf(of(device))
    if (at !== -1) {
      groups[at]?.push(device)
    } else {
      places.push(of(device))
      groups.push([device])
    }
  }
  return groups
}

const byAddress = (a: HostDevice, b: HostDevice) => (a.address < b.address ? -1 : 1)

const bySize = (a: readonly HostDevice[], b: readonly HostDevice[]) =>
  a.length - b.length || ((a[0]?.address ?? '') < (b[0]?.address ?? '') ? -1 : 1)

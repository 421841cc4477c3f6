import type { Demand, GpuWish, HostDevice, HostSnapshot } from '../../../scheduler/model/placement.ts'

// What fits, by trying everything. Written apart from the rules, so that a mistake in one shows in the other.

const hasRoom = ({ capacity, used }: HostSnapshot['vcpus'], wanted: number) => used + wanted <= capacity

const isFreeFor = (project: string | undefined, host: HostSnapshot) => (one: HostDevice) =>
  one.present &&
  one.claimedBy === undefined &&
  !one.isAwaited &&
  (one.state ?? 'FREE') === 'FREE' &&
  (host.unscrubbedDevices === 'reuse' || [undefined, project].includes(one.unscrubbedProject))

/** Every choice of `count` of the items. */
export function* choices<Item>(items: readonly Item[], count: number): Generator<readonly Item[]> {
  if (count === 0) yield []
  for (const [index, item] of items.entries()) {
    if (count === 0) return
    for (const others of choices(items.slice(index + 1), count - 1)) yield [item, ...others]
  }
}

const allSame = (values: readonly (number | string | undefined)[]) =>
  values.length === 1 || (values[0] !== undefined && values.every((value) => value === values[0]))

const nodeOf = ({ numaNode }: HostDevice) => (numaNode === -1 ? undefined : numaNode)

export function isAsAsked(devices: readonly HostDevice[], host: HostSnapshot, wish: GpuWish): boolean {
  if (devices.length !== wish.count) return false
  const isPartition = host.partitions?.some(
    (one) => one.length === devices.length && devices.every(({ address }) => one.includes(address)),
  )
  if (isPartition === false) return false
  switch (wish.topology ?? 'any') {
    case 'any':
      return true
    case 'same-numa':
      return allSame(devices.map(nodeOf))
    case 'same-switch':
      return allSame(devices.map(({ switchId }) => switchId))
    case 'fabric':
      return isPartition === true
  }
}

/** Which GPUs of a type do for a wish that is about vCPUs and memory, too: those of one cell with all else, if ever one has. */
export function cellWish(
  demand: Demand,
  host: HostSnapshot,
  wish: GpuWish,
  ofType: readonly HostDevice[],
): (chosen: readonly HostDevice[]) => boolean {
  const { cells = [] } = host
  const isThere = (devices: readonly HostDevice[], node: number) =>
    devices.every(({ numaNode }) => numaNode === node)
  const large = cells.filter(
    ({ vcpus, memoryMib }) => demand.vcpus <= vcpus.capacity && demand.memoryMib <= memoryMib.capacity,
  )
  const couldEver =
    wish.topology === 'same-numa' &&
    demand.gpus.length === 1 &&
    large.length > 0 &&
    [...choices(ofType, wish.count)].some(
      (some) => isAsAsked(some, host, wish) && large.some(({ numaNode }) => isThere(some, numaNode)),
    )
  if (!couldEver) return () => true
  const roomy = cells.filter(
    ({ vcpus, memoryMib }) => hasRoom(vcpus, demand.vcpus) && hasRoom(memoryMib, demand.memoryMib),
  )
  return (chosen) => roomy.some(({ numaNode }) => isThere(chosen, numaNode))
}

/** Some choice of free devices is as each wish wants it. */
function hasGpus(demand: Demand, host: HostSnapshot): boolean {
  if (demand.gpus.length > 1 && host.partitions !== undefined) return false
  return demand.gpus.every((wish) =>
    [wish.type, ...(wish.alternatives ?? [])].some((type) => {
      const ofType = host.devices.filter(({ acceleratorType }) => acceleratorType === type)
      const free = ofType.filter(isFreeFor(demand.project, host))
      const isWithRest = cellWish(demand, host, wish, ofType)
      return [...choices(free, wish.count)].some((some) => isAsAsked(some, host, wish) && isWithRest(some))
    }),
  )
}

function hasLabels({ hostLabels = [] }: Demand, { labels = {} }: HostSnapshot): boolean {
  return hostLabels.every((selector) => {
    const has = Object.hasOwn(labels, selector.key)
    if (!('values' in selector)) return has === (selector.kind === 'exists')
    const isIn = has && selector.values.includes(labels[selector.key] ?? '')
    return isIn === (selector.kind === 'in')
  })
}

function suitsOthers(demand: Demand, host: HostSnapshot, fleet: readonly HostSnapshot[]): boolean {
  const groupsOn = (one: HostSnapshot) => new Set(one.occupants?.flatMap(({ groups = [] }) => groups))
  const here = groupsOn(host)
  const isFirst = (group: string) =>
    demand.groups?.includes(group) === true && !fleet.some((one) => groupsOn(one).has(group))
  if (!(demand.affinity ?? []).every((group) => here.has(group) || isFirst(group))) return false
  if ((demand.antiAffinity ?? []).some((group) => here.has(group))) return false
  if (host.occupants?.some(({ isolation }) => isolation === 'host')) return false
  const isBusy =
    (host.occupants ?? []).length > 0 ||
    host.vcpus.used > 0 ||
    host.memoryMib.used > 0 ||
    host.devices.some(({ claimedBy }) => claimedBy !== undefined)
  return demand.isolation !== 'host' || !isBusy
}

export const fitsOn = (demand: Demand, host: HostSnapshot, fleet: readonly HostSnapshot[]): boolean =>
  host.zone === demand.zone &&
  host.architecture === demand.architecture &&
  host.state === 'ready' &&
  host.connected &&
  (demand.features ?? []).every((feature) => host.features?.includes(feature)) &&
  hasRoom(host.vcpus, demand.vcpus) &&
  hasRoom(host.memoryMib, demand.memoryMib) &&
  hasRoom(host.diskGb, demand.diskGb) &&
  hasLabels(demand, host) &&
  [undefined, demand.ticket].includes(host.keptFor) &&
  suitsOthers(demand, host, fleet) &&
  hasGpus(demand, host)

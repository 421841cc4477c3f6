import type { PciAddress } from '../../proto/ids.ts'
import { type DeviceWish, findTrouble } from '../model/device.ts'
import type { Demand, HostDevice, HostSnapshot } from '../model/placement.ts'
import { choosePartition, partitionsWithin } from './partitions.ts'

export function devicesOfType(host: HostSnapshot, type: string): readonly HostDevice[] {
  return host.devices.filter((device) => device.acceleratorType === type)
}

export const wishOf = (demand: Demand, host: HostSnapshot): DeviceWish => ({
  project: demand.project,
  policy: host.unscrubbedDevices ?? 'quarantine',
})

/** The same predicate as the store's at the commit. */
export const isFree = (device: HostDevice, wish: DeviceWish): boolean =>
  device.claimedBy === undefined && findTrouble(device, wish) === undefined

export function freeDevices(demand: Demand, host: HostSnapshot, type: string): readonly HostDevice[] {
  const wish = wishOf(demand, host)
  return devicesOfType(host, type).filter((device) => isFree(device, wish))
}

/**
 * The exact devices, on a host where enough are free: those of a partition where NVSwitches join them, and otherwise all on
 * one NUMA node if a node has enough, the node with the
 * fewest left over so that larger requests keep theirs; otherwise the nodes with most free, so that few are touched.
 */
export function chooseDevices(
  demand: Demand,
  host: HostSnapshot,
): readonly { readonly type: string; readonly address: PciAddress }[] {
  return demand.gpus.flatMap(({ type, count }) => {
    const free = freeDevices(demand, host, type)
    const partitions = partitionsWithin(host, free)
    const addresses = partitions
      ? (choosePartition(partitions, count) ?? [])
      : chooseOfType(free, count).map(({ address }) => address)
    return addresses.map((address) => ({ type, address }))
  })
}

function chooseOfType(free: readonly HostDevice[], count: number): readonly HostDevice[] {
  const nodes = new Map<number, HostDevice[]>()
  for (const device of free) {
    const node = nodes.get(device.numaNode)
    if (node) node.push(device)
    else nodes.set(device.numaNode, [device])
  }
  const groups = [...nodes.values()].map((group) => group.toSorted(byAddress))
  const roomy = groups.filter((group) => group.length >= count).toSorted(bySize)[0]
  if (roomy) return roomy.slice(0, count)
  return groups.toSorted(bySize).reverse().flat().slice(0, count)
}

const byAddress = (a: HostDevice, b: HostDevice) => (a.address < b.address ? -1 : 1)

const bySize = (a: readonly HostDevice[], b: readonly HostDevice[]) =>
  a.length - b.length || ((a[0]?.address ?? '') < (b[0]?.address ?? '') ? -1 : 1)

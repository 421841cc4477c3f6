import { findTrouble } from '../model/device.ts'
import type { HostDevice, HostSnapshot } from '../model/placement.ts'
import type { FreeShape } from './free-shape.ts'
import { partitionsWithin } from './partitions.ts'
import type { Room } from './room.ts'
import { hashOf } from './seed.ts'
import { largestGroup, numaNodeOf, switchOf } from './topology.ts'

/** The GPUs of one type on a host, by address. */
export interface GpuStock {
  readonly type: string
  readonly all: readonly HostDevice[]
  /** For everybody. */
  readonly free: readonly HostDevice[]
  /** For the project alone that has left something in them. */
  readonly kept: readonly HostDevice[]
}

/** A host, and what decisions ask of it, counted once. It never changes: a host that does is counted anew. */
export class CountedHost implements FreeShape, Readonly<Room> {
  readonly host: HostSnapshot
  readonly stocks: readonly GpuStock[]
  /** Its place among all, whatever order they came in. */
  readonly ring: number
  readonly freeVcpus: number
  readonly vcpus: number
  readonly freeMemoryMib: number
  readonly memoryMib: number
  readonly freeDiskGb: number
  /** Of every type, for everybody. */
  readonly freeGpus: number
  readonly gpus: number
  readonly freeOnNode: number
  readonly freeBelowSwitch: number
  readonly freePartitions: number
  readonly empty: number
  /** How many instances are there. */
  readonly occupants: number

  constructor(host: HostSnapshot, ring = hashOf(host.hostId)) {
    const { vcpus, memoryMib, diskGb } = host
    this.host = host
    this.ring = ring
    this.stocks = countStocks(host)
    this.freeVcpus = vcpus.capacity - vcpus.used
    this.vcpus = vcpus.capacity
    this.freeMemoryMib = memoryMib.capacity - memoryMib.used
    this.memoryMib = memoryMib.capacity
    this.freeDiskGb = diskGb.capacity - diskGb.used
    let [freeGpus, gpus, onNode, belowSwitch, sizes] = [0, 0, 0, 0, 0]
    for (const { free, all } of this.stocks) {
      freeGpus += free.length
      gpus += all.length
      onNode = Math.max(onNode, largestGroup(free, numaNodeOf))
      belowSwitch = Math.max(belowSwitch, largestGroup(free, switchOf))
      for (const partition of partitionsWithin(host, free) ?? []) sizes |= bitOf(partition.length)
    }
    this.freeGpus = freeGpus
    this.gpus = gpus
    this.freeOnNode = onNode
    this.freeBelowSwitch = belowSwitch
    this.freePartitions = sizes
    this.empty = isEmpty(host) ? 1 : 0
    this.occupants = countOccupants(host)
  }

  stockOf(type: string): GpuStock | undefined {
    for (const stock of this.stocks) if (stock.type === type) return stock
    return undefined
  }
}

/** Nobody is there and nothing is taken. */
function isEmpty({ vcpus, memoryMib, occupants, devices }: HostSnapshot): boolean {
  if (vcpus.used > 0 || memoryMib.used > 0 || (occupants?.length ?? 0) > 0) return false
  return devices.every(({ claimedBy }) => claimedBy === undefined)
}

/** Those that are named, and those that devices tell of. */
function countOccupants({ devices, occupants = [] }: HostSnapshot): number {
  const uids = new Set(occupants.map(({ uid }) => uid))
  for (const { claimedBy } of devices) if (claimedBy !== undefined) uids.add(claimedBy)
  return uids.size
}

const none: readonly HostDevice[] = []

function countStocks(host: HostSnapshot): readonly GpuStock[] {
  const devices = inOrder(host.devices)
  const [first] = devices
  if (first === undefined) return []
  const { acceleratorType: type } = first
  // Nearly always, and then nothing is copied.
  if (type !== undefined && devices.every((device) => device.acceleratorType === type)) {
    return [stockOf(host, type, devices)]
  }
  const types = new Set(devices.flatMap(({ acceleratorType = [] }) => acceleratorType))
  return [...types].map((one) =>
    stockOf(
      host,
      one,
      devices.filter(({ acceleratorType }) => acceleratorType === one),
    ),
  )
}

function stockOf(host: HostSnapshot, type: string, all: readonly HostDevice[]): GpuStock {
  const anybody = { project: undefined, policy: host.unscrubbedDevices ?? 'quarantine' } as const
  const free: HostDevice[] = []
  const kept: HostDevice[] = []
  for (const device of all) {
    if (device.claimedBy !== undefined) continue
    const trouble = findTrouble(device, anybody)
    if (trouble === undefined) free.push(device)
    else if (trouble === 'unscrubbed') kept.push(device)
  }
  return { type, all, free: free.length > 0 ? free : none, kept: kept.length > 0 ? kept : none }
}

function inOrder(devices: readonly HostDevice[]): readonly HostDevice[] {
  for (let index = 1; index < devices.length; index += 1) {
    const [before, device] = [devices[index - 1], devices[index]]
    if (before && device && before.address > device.address) {
      return devices.toSorted((a, b) => (a.address < b.address ? -1 : 1))
    }
  }
  return devices
}

/** Sizes that have no bit of their own share the last one. */
export const bitOf = (size: number): number => 1 << Math.min(size, 30)

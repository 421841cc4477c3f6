import type { PciAddress } from '../../proto/ids.ts'
import { occupantOf } from '../model/neighbours.ts'
import type { Demand, HostDevice, HostSnapshot } from '../model/placement.ts'
import type { Claim } from './claim.ts'
import { type CountedCell, countCells, renderCell, takeOfCells } from './counted-cells.ts'
import type { FreeShape } from './free-shape.ts'
import { type GpuStock, stocksOf } from './gpu-stock.ts'
import { Occupants } from './occupants.ts'
import { countBoth, type Room } from './room.ts'
import { diskGbOf } from './rules/disk.ts'
import { hashOf } from './seed.ts'

/** What no claim changes. */
export type HostTraits = Omit<
  HostSnapshot,
  'vcpus' | 'memoryMib' | 'diskGb' | 'cells' | 'devices' | 'occupants'
>

/** A host, and what decisions ask of it: counted once, and kept up by claims, which are made in place. */
export class CountedHost implements FreeShape, Room {
  readonly host: HostTraits
  readonly stocks: readonly GpuStock[]
  readonly occupants: Occupants
  /** None where they are not known. */
  readonly cells: readonly CountedCell[]
  /** Its place among all, whatever order they came in. */
  readonly ring: number
  readonly vcpus: number
  readonly memoryMib: number
  readonly diskGb: number
  /** Of every type. */
  readonly gpus: number
  freeVcpus: number
  freeMemoryMib: number
  freeBoth = 0
  freeMoreVcpus = 0
  freeMoreMemory = 0
  freeDiskGb: number
  /** Of every type, for everybody. */
  freeGpus = 0
  freeOnNode = 0
  freeBelowSwitch = 0
  freePartitions = 0
  empty = 0
  readonly #devices: readonly HostDevice[]
  /** Of each of the devices. */
  readonly #claimants: (string | undefined)[]
  /** Undefined once a claim has changed it. */
  #snapshot: HostSnapshot | undefined

  constructor(host: HostSnapshot, ring = hashOf(host.hostId)) {
    const { vcpus, memoryMib, diskGb, devices } = host
    this.host = host
    this.ring = ring
    this.stocks = stocksOf(host)
    this.occupants = new Occupants(host)
    this.cells = countCells(host)
    this.vcpus = vcpus.capacity
    this.memoryMib = memoryMib.capacity
    this.diskGb = diskGb.capacity
    this.gpus = this.stocks.reduce((sum, { all }) => sum + all.length, 0)
    this.freeVcpus = vcpus.capacity - vcpus.used
    this.freeMemoryMib = memoryMib.capacity - memoryMib.used
    this.freeDiskGb = diskGb.capacity - diskGb.used
    this.#devices = devices
    this.#claimants = devices.map(({ claimedBy }) => claimedBy)
    this.#snapshot = host
    this.#countGpus()
    this.#countRoom()
  }

  /** As it is now. */
  get snapshot(): HostSnapshot {
    this.#snapshot ??= this.#render()
    return this.#snapshot
  }

  stockOf(type: string): GpuStock | undefined {
    for (const stock of this.stocks) if (stock.type === type) return stock
    return undefined
  }

  claim({ uid, demand, devices, nowMs }: Claim): void {
    this.occupants.add(occupantOf(uid, demand, nowMs))
    for (const address of devices) this.#giveDevice(address, uid)
    this.#take(demand, 1)
    if (devices.length > 0) this.#countGpus()
    this.#countRoom()
  }

  /** It is as if the claim had never been there. */
  release({ uid, demand, devices }: Claim): void {
    this.occupants.remove(uid)
    for (const address of devices) this.#takeDeviceBack(address)
    this.#take(demand, -1)
    if (devices.length > 0) this.#countGpus()
    this.#countRoom()
  }

  #take(demand: Demand, sign: 1 | -1): void {
    this.freeVcpus -= sign * demand.vcpus
    this.freeMemoryMib -= sign * demand.memoryMib
    this.freeDiskGb -= sign * diskGbOf(demand)
    if (demand.cells !== undefined) takeOfCells(this.cells, demand.cells, sign)
    this.#snapshot = undefined
  }

  #giveDevice(address: PciAddress, uid: string): void {
    const at = this.#indexOf(address)
    const device = this.#devices[at]
    if (device === undefined || this.#claimants[at] !== undefined) return
    this.#claimants[at] = uid
    for (const stock of this.stocks) stock.take(device)
  }

  #takeDeviceBack(address: PciAddress): void {
    const at = this.#indexOf(address)
    const device = this.#devices[at]
    if (device === undefined || this.#claimants[at] === undefined) return
    this.#claimants[at] = undefined
    if (device.acceleratorType !== undefined) this.stockOf(device.acceleratorType)?.giveBack(device)
  }

  #indexOf(address: PciAddress): number {
    for (let at = 0; at < this.#devices.length; at += 1) if (this.#devices[at]?.address === address) return at
    return -1
  }

  #countGpus(): void {
    this.freeGpus = 0
    this.freeOnNode = 0
    this.freeBelowSwitch = 0
    this.freePartitions = 0
    for (const { free, freeOnNode, freeBelowSwitch, freePartitions } of this.stocks) {
      this.freeGpus += free.length
      if (freeOnNode > this.freeOnNode) this.freeOnNode = freeOnNode
      if (freeBelowSwitch > this.freeBelowSwitch) this.freeBelowSwitch = freeBelowSwitch
      this.freePartitions |= freePartitions
    }
  }

  #countRoom(): void {
    countBoth(this)
    this.empty = this.#isEmpty() ? 1 : 0
  }

  /** Nobody is there and nothing is taken. */
  #isEmpty(): boolean {
    if (this.freeVcpus < this.vcpus || this.freeMemoryMib < this.memoryMib || this.occupants.size > 0)
      return false
    return this.#claimants.every((claimant) => claimant === undefined)
  }

  #render(): HostSnapshot {
    const { host } = this
    const counter = (capacity: number, free: number) => ({ capacity, used: capacity - free })
    return {
      ...host,
      // It may be another at the next look.
      get connected() {
        return host.connected
      },
      vcpus: counter(this.vcpus, this.freeVcpus),
      memoryMib: counter(this.memoryMib, this.freeMemoryMib),
      diskGb: counter(this.diskGb, this.freeDiskGb),
      ...(this.cells.length === 0 ? {} : { cells: this.cells.map(renderCell) }),
      devices: this.#devices.map((device, at) => withClaimant(device, this.#claimants[at])),
      occupants: this.occupants.list.slice(),
    }
  }
}

function withClaimant(device: HostDevice, claimedBy: string | undefined): HostDevice {
  if (device.claimedBy === claimedBy) return device
  const { claimedBy: _, ...rest } = device
  return claimedBy === undefined ? rest : { ...rest, claimedBy }
}

import { findTrouble } from '../model/device.ts'
import type { HostDevice, HostSnapshot } from '../model/placement.ts'
import { partitionsWithin } from './partitions.ts'
import { largestGroup, numaNodeOf, switchOf } from './topology.ts'

/** The GPUs of one type on a host, by address. Which of them are free changes with claims. */
export class GpuStock {
  readonly type: string
  readonly all: readonly HostDevice[]
  /** For everybody. */
  get free(): readonly HostDevice[] {
    return this.#free
  }
  /** For the project alone that has left something in them. */
  get kept(): readonly HostDevice[] {
    return this.#kept
  }
  freeOnNode = 0
  freeBelowSwitch = 0
  /** A bit for each size. */
  freePartitions = 0
  readonly #free: HostDevice[]
  readonly #kept: HostDevice[]
  readonly #host: Pick<HostSnapshot, 'partitions' | 'unscrubbedDevices'>

  constructor(
    host: Pick<HostSnapshot, 'partitions' | 'unscrubbedDevices'>,
    type: string,
    all: readonly HostDevice[],
  ) {
    this.type = type
    this.all = all
    this.#host = host
    const unclaimed = all.filter(({ claimedBy }) => claimedBy === undefined)
    this.#free = unclaimed.filter((device) => this.#troubleOf(device) === undefined)
    this.#kept = unclaimed.filter((device) => this.#troubleOf(device) === 'unscrubbed')
    this.#count()
  }

  /** It is free no more. */
  take(device: HostDevice): void {
    if (remove(this.#free, device)) this.#count()
    else remove(this.#kept, device)
  }

  /** Nobody has it any more: it is free, if nothing else speaks against it. */
  giveBack(device: HostDevice): void {
    const trouble = this.#troubleOf(device)
    if (trouble === 'unscrubbed') insert(this.#kept, device)
    if (trouble !== undefined) return
    insert(this.#free, device)
    this.#count()
  }

  #troubleOf(device: HostDevice) {
    return findTrouble(device, { project: undefined, policy: this.#host.unscrubbedDevices ?? 'quarantine' })
  }

  #count(): void {
    this.freeOnNode = largestGroup(this.#free, numaNodeOf)
    this.freeBelowSwitch = largestGroup(this.#free, switchOf)
    if (this.#host.partitions === undefined) return
    this.freePartitions = 0
    for (const partition of partitionsWithin(this.#host, this.#free) ?? []) {
      this.freePartitions |= bitOf(partition.length)
    }
  }
}

/** Of each type that the devices are of. */
export function stocksOf(host: HostSnapshot): readonly GpuStock[] {
  const devices = inOrder(host.devices)
  const [first] = devices
  if (first === undefined) return []
  const { acceleratorType: type } = first
  // Nearly always, and then nothing is copied.
  if (type !== undefined && devices.every((device) => device.acceleratorType === type)) {
    return [new GpuStock(host, type, devices)]
  }
  const types = new Set(devices.flatMap(({ acceleratorType = [] }) => acceleratorType))
  return [...types].map((one) => {
    const ofType = devices.filter(({ acceleratorType }) => acceleratorType === one)
    return new GpuStock(host, one, ofType)
  })
}

/** Sizes that have no bit of their own share the last one. */
export const bitOf = (size: number): number => 1 << Math.min(size, 30)

function inOrder(devices: readonly HostDevice[]): readonly HostDevice[] {
  for (let index = 1; index < devices.length; index += 1) {
    const [before, device] = [devices[index - 1], devices[index]]
    if (before && device && before.address > device.address) {
      return devices.toSorted((a, b) => (a.address < b.address ? -1 : 1))
    }
  }
  return devices
}

function remove(devices: HostDevice[], device: HostDevice): boolean {
  const at = devices.indexOf(device)
  if (at !== -1) devices.splice(at, 1)
  return at !== -1
}

function insert(devices: HostDevice[], device: HostDevice): void {
  const at = devices.findIndex(({ address }) => address > device.address)
  devices.splice(at === -1 ? devices.length : at, 0, device)
}

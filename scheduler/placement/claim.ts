import type { PciAddress } from '../../proto/ids.ts'
import { occupantOf } from '../model/neighbours.ts'
import type { Counter, Demand, HostDevice, HostSnapshot } from '../model/placement.ts'
import { diskGbOf } from './rules/disk.ts'

/** What an instance takes of its host. */
export interface Claim {
  readonly uid: string
  readonly demand: Demand
  readonly devices: readonly PciAddress[]
  /** When it began, where its end is to be expected. */
  readonly nowMs?: number
}

/** The host with the claim. */
export function withClaim(host: HostSnapshot, { uid, demand, devices, nowMs }: Claim): HostSnapshot {
  return {
    ...host,
    ...countersWith(host, demand, 1),
    devices: withDevices(host, devices, (device) => ({ ...device, claimedBy: device.claimedBy ?? uid })),
    occupants: [...(host.occupants ?? []), occupantOf(uid, demand, nowMs)],
  }
}

/** The host without it: as if it had never been there. */
export function withoutClaim(host: HostSnapshot, { uid, demand, devices }: Claim): HostSnapshot {
  return {
    ...host,
    ...countersWith(host, demand, -1),
    devices: withDevices(host, devices, ({ claimedBy: _, ...device }) => device),
    occupants: (host.occupants ?? []).filter((occupant) => occupant.uid !== uid),
  }
}

function countersWith({ vcpus, memoryMib, diskGb }: HostSnapshot, demand: Demand, sign: 1 | -1) {
  const change = ({ capacity, used }: Counter, by: number): Counter => ({ capacity, used: used + sign * by })
  return {
    vcpus: change(vcpus, demand.vcpus),
    memoryMib: change(memoryMib, demand.memoryMib),
    diskGb: change(diskGb, diskGbOf(demand)),
  }
}

function withDevices(
  { devices }: HostSnapshot,
  addresses: readonly PciAddress[],
  change: (device: HostDevice) => HostDevice,
): readonly HostDevice[] {
  if (addresses.length === 0) return devices
  return devices.map((device) => (addresses.includes(device.address) ? change(device) : device))
}

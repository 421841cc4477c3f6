import type { PciAddress } from '../../proto/ids.ts'
import type { Counter, Demand, HostDevice, HostSnapshot, Occupant } from '../model/placement.ts'
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
export function withClaim(host: HostSnapshot, claim: Claim): HostSnapshot {
  return {
    ...host,
    ...roomWith(host, claim),
    occupants: [...(host.occupants ?? []), occupantOf(claim.uid, claim.demand, claim.nowMs)],
  }
}

/** What is left of its room once the claim has taken its own. */
export function roomWith(host: HostSnapshot, { uid, demand, devices }: Claim) {
  return {
    ...countersWith(host, demand, 1),
    devices: withDevices(host, devices, (device) => ({ ...device, claimedBy: device.claimedBy ?? uid })),
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

function occupantOf(
  uid: string,
  { groups, isolation, expectedLifetimeS }: Demand,
  nowMs: number | undefined,
): Occupant {
  return {
    uid,
    ...(groups === undefined ? {} : { groups }),
    ...(isolation === undefined ? {} : { isolation }),
    ...(expectedLifetimeS === undefined || nowMs === undefined
      ? {}
      : { expectedEndMs: nowMs + expectedLifetimeS * 1000 }),
  }
}

import type { PciAddress } from '../../proto/ids.ts'
import type { Counter, Demand, HostSnapshot } from '../model/placement.ts'

/** What a placement takes of its host. */
export interface Hold {
  readonly demand: Demand
  readonly devices: readonly PciAddress[]
}

/** The host with what requests under way are about to take of it. */
export function withHolds(host: HostSnapshot, holds: ReadonlySet<Hold>): HostSnapshot {
  const held = new Set([...holds].flatMap((hold) => hold.devices))
  const sum = (of: (demand: Demand) => number) =>
    [...holds].reduce((total, hold) => total + of(hold.demand), 0)
  const minus = (counter: Counter, more: number) => ({ ...counter, used: counter.used + more })
  return {
    ...host,
    get connected() {
      return host.connected
    },
    vcpus: minus(
      host.vcpus,
      sum((demand) => demand.vcpus),
    ),
    memoryMib: minus(
      host.memoryMib,
      sum((demand) => demand.memoryMib),
    ),
    diskGb: minus(
      host.diskGb,
      sum((demand) => demand.diskGb),
    ),
    devices: host.devices.map((device) =>
      held.has(device.address) ? { ...device, claimedBy: device.claimedBy ?? 'another request' } : device,
    ),
  }
}

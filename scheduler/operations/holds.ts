import type { HostId, PciAddress } from '../../proto/ids.ts'
import type { Counter, Demand, HostSnapshot } from '../model/placement.ts'

/** What a placement takes of its host. */
export interface Hold {
  readonly demand: Demand
  readonly devices: readonly PciAddress[]
}

/** What one request has placed so far, of several that it is for: each is placed around the ones before it. */
export class Holds {
  readonly #byHost = new Map<HostId, Set<Hold>>()

  add(hostId: HostId, hold: Hold): void {
    // A reservation's place is counted with its host already.
    if (hold.demand.slotUid !== undefined) return
    this.#byHost.set(hostId, (this.#byHost.get(hostId) ?? new Set()).add(hold))
  }

  applyTo(hosts: readonly HostSnapshot[]): readonly HostSnapshot[] {
    if (this.#byHost.size === 0) return hosts
    return hosts.map((host) => {
      const holds = this.#byHost.get(host.hostId)
      return holds ? withHolds(host, holds) : host
    })
  }
}

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

import type { HostId, PciAddress } from '../../proto/ids.ts'
import type { Counter, Demand, HostSnapshot } from '../model/placement.ts'

interface Hold {
  readonly demand: Demand
  readonly devices: readonly PciAddress[]
}

/**
 * What this process has placed and the snapshot does not show yet. Requests that arrive together are placed around one
 * another instead of all choosing the same host and losing the race for it. Only a hint: the commit has the last word.
 */
export class Holds {
  readonly #byHost = new Map<HostId, Set<Hold>>()

  /** The result takes it back. */
  add(hostId: HostId, hold: Hold): () => void {
    // A reservation's place is counted with its host already.
    if (hold.demand.slotUid !== undefined) return () => {}
    const holds = this.#byHost.get(hostId) ?? new Set()
    this.#byHost.set(hostId, holds.add(hold))
    return () => {
      holds.delete(hold)
      if (holds.size === 0 && this.#byHost.get(hostId) === holds) this.#byHost.delete(hostId)
    }
  }

  applyTo(hosts: readonly HostSnapshot[]): readonly HostSnapshot[] {
    if (this.#byHost.size === 0) return hosts
    return hosts.map((host) => {
      const holds = this.#byHost.get(host.hostId)
      return holds ? withHolds(host, holds) : host
    })
  }
}

function withHolds(host: HostSnapshot, holds: ReadonlySet<Hold>): HostSnapshot {
  const held = new Set([...holds].flatMap((hold) => hold.devices))
  const sum = (of: (demand: Demand) => number) =>
    [...holds].reduce((total, hold) => total + of(hold.demand), 0)
  const minus = (counter: Counter, more: number) => ({ ...counter, used: counter.used + more })
  return {
    ...host,
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

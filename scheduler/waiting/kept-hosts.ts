// Room that comes free in parts is kept for who needs it whole: without that, small requests would take each part for ever.
// Of those who wait for the same kind of host, the first in turn gets hosts kept for it, one at first and more the longer
// it waits. All others go on around them.
import type { HostId, InstanceUid } from '../../proto/ids.ts'
import type { Demand, HostRefusal, PlacementRule } from '../model/placement.ts'
import type { WaitingInstance } from '../model/waiting.ts'
import type { FleetRoom } from '../operations/ports.ts'

const firstKeptAfterMs = 300_000

/** One after five minutes, two after twenty, three after three quarters of an hour: each comes later than the one before. */
export const keptHostsAfter = (waitedMs: number): number =>
  Math.floor(Math.sqrt(Math.max(0, waitedMs) / firstKeptAfterMs))

/** Those of one lane want the same kind of host. */
export const laneOf = ({ demand: { zone, gpus } }: Pick<WaitingInstance, 'demand'>): string =>
  [zone, ...gpus.map(({ type }) => type).toSorted()].join(' ')

/** What others that go give back; a host that lacks anything else is not kept for it. */
const roomRules: ReadonlySet<PlacementRule> = new Set([
  ...(['isolation', 'vcpus', 'memory', 'disk', 'gpu-count', 'gpu-topology', 'numa-cell'] as const),
])

export class KeptHosts {
  readonly #fleet: Pick<FleetRoom, 'keep' | 'nearMisses' | 'host'>
  /** By lane: for whom, and on which hosts. */
  readonly #lanes = new Map<string, { readonly uid: InstanceUid; readonly hosts: Map<HostId, () => void> }>()

  constructor(fleet: Pick<FleetRoom, 'keep' | 'nearMisses' | 'host'>) {
    this.#fleet = fleet
  }

  /** How many are kept for it. */
  countFor(uid: InstanceUid): number {
    for (const lane of this.#lanes.values()) if (lane.uid === uid) return lane.hosts.size
    return 0
  }

  /** Of each lane the first keeps what it has, until it is placed or gone, and gets more when it is time. */
  grow(inOrder: readonly WaitingInstance[], nowMs: number): void {
    for (const [lane, first] of firstOfLanes(inOrder)) {
      const known = this.#lanes.get(lane)
      const head = known === undefined ? first : inOrder.find(({ uid }) => uid === known.uid)
      // It is about to be placed.
      if (head === undefined) continue
      const hosts = known?.hosts ?? new Map<HostId, () => void>()
      const more = keptHostsAfter(nowMs - head.sinceMs) - hosts.size
      if (more <= 0) continue
      this.#lanes.set(lane, { uid: head.uid, hosts })
      for (const hostId of this.#choose(head).slice(0, more)) {
        hosts.set(hostId, this.#fleet.keep(hostId, head.uid))
      }
    }
  }

  /** It waits no longer. */
  letGo(uid: InstanceUid): void {
    for (const [lane, { uid: head, hosts }] of this.#lanes) {
      if (head !== uid) continue
      this.#lanes.delete(lane)
      for (const release of hosts.values()) release()
    }
  }

  #choose({ uid, demand }: WaitingInstance): readonly HostId[] {
    const near = this.#fleet.nearMisses({ ...demand, ticket: uid }).filter(({ rule }) => roomRules.has(rule))
    const free = near.filter(({ hostId }) => !this.#isKept(hostId))
    return this.#withoutGpusFirst(demand, free).map(({ hostId }) => hostId)
  }

  #withoutGpusFirst(demand: Demand, hosts: readonly HostRefusal[]): readonly HostRefusal[] {
    if (demand.gpus.length > 0) return hosts
    const hasGpus = ({ hostId }: HostRefusal) => (this.#fleet.host(hostId)?.devices.length ?? 0) > 0
    return [...hosts.filter((host) => !hasGpus(host)), ...hosts.filter(hasGpus)]
  }

  #isKept(hostId: HostId): boolean {
    for (const { hosts } of this.#lanes.values()) if (hosts.has(hostId)) return true
    return false
  }
}

function firstOfLanes(inOrder: readonly WaitingInstance[]): ReadonlyMap<string, WaitingInstance> {
  const firsts = new Map<string, WaitingInstance>()
  for (const instance of inOrder) {
    const lane = laneOf(instance)
    if (!firsts.has(lane)) firsts.set(lane, instance)
  }
  return firsts
}

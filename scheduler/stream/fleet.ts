import type { HostId } from '../../proto/ids.ts'
import type { HostDevice, HostSnapshot } from '../model/placement.ts'
import type { Hold } from '../operations/holds.ts'
import type { Fleet, FleetRoom } from '../operations/ports.ts'
import { CapacityCounter } from '../placement/capacity.ts'
import { FleetIndex } from '../placement/index.ts'
import type { StoredCapacity } from '../store/host-store.ts'
import type { Store } from '../store/store.ts'

export interface WatchedFleet extends Fleet, FleetRoom {
  /** From the sessions: this host is there, maybe again, or is not any more. */
  noteConnectedness(hostId: HostId): void
}

/**
 * Every host in memory: read once, then kept up by what each transaction has changed, in their order. Whoever hears that
 * his change is on disk finds it here. Connectedness is the sessions' word, asked when somebody looks.
 */
export async function openFleet({
  store,
  isConnected,
}: {
  store: Pick<Store, 'readHostsChangedAfter' | 'onHostsChanged'>
  isConnected: (hostId: HostId) => boolean
}): Promise<WatchedFleet> {
  const stored = new Map<HostId, HostSnapshot & { readonly revision: number }>()
  const keptFor = new Map<HostId, string>()
  const listeners = new Set<(hosts: readonly HostId[]) => void>()
  /** With what is held. */
  const around = new FleetIndex()
  const held = new Map<HostId, Set<Hold>>()
  const counter = new CapacityCounter()

  /** Whether there may be room for somebody now that was not there before. */
  function put(host: StoredCapacity): boolean {
    const { hostId, revision } = host
    const before = stored.get(hostId)
    // The first read may come after news of what it has read.
    if ((before?.revision ?? 0) >= revision) return false
    take(host)
    return before === undefined || !isFuller(host, before)
  }

  function take(host: StoredCapacity): void {
    const { hostId } = host
    const ticket = keptFor.get(hostId)
    const { keptFor: _, ...own } = host
    stored.set(hostId, {
      ...own,
      ...(ticket === undefined ? {} : { keptFor: ticket }),
      get connected() {
        return isConnected(hostId)
      },
    })
    forgetCommitted(host)
    show(hostId)
  }

  function tell(hosts: readonly HostId[]): void {
    if (hosts.length > 0) for (const listener of listeners) listener(hosts)
  }

  function keep(hostId: HostId, ticket: string | undefined): void {
    if (ticket === undefined) keptFor.delete(hostId)
    else keptFor.set(hostId, ticket)
    const host = stored.get(hostId)
    if (host !== undefined) take(host)
  }

  function show(hostId: HostId, holds: Iterable<Hold> = held.get(hostId) ?? []): void {
    const host = stored.get(hostId)
    if (host === undefined) return
    around.put(host)
    for (const hold of holds) around.claim(hostId, claimOf(hold))
  }

  /** What has become of it is in the host already: it, or whoever was faster. */
  function forgetCommitted({ hostId, devices }: Pick<HostSnapshot, 'hostId' | 'devices'>): void {
    const holds = held.get(hostId)
    if (holds === undefined) return
    const claimed = new Set(
      devices.flatMap((device) => (device.claimedBy === undefined ? [] : device.address)),
    )
    for (const hold of holds) {
      if (hold.devices.length > 0 && hold.devices.every((address) => claimed.has(address)))
        forget(hostId, hold)
    }
  }

  function forget(hostId: HostId, hold: Hold): boolean {
    const holds = held.get(hostId)
    if (holds?.delete(hold) !== true) return false
    if (holds.size === 0) held.delete(hostId)
    return true
  }

  store.onHostsChanged((hosts) => {
    tell(hosts.filter(put).map(({ hostId }) => hostId))
  })
  for (const host of (await store.readHostsChangedAfter(0)).hosts) put(host)

  return {
    snapshot: () => [...stored.values()],
    capacity: () => counter.count(around.counted()),
    place: (demand, seed, nowMs) => around.place(demand, seed, nowMs),
    decide: (demand, seed, nowMs) => around.decide(demand, seed, nowMs),
    explain: (placed, demand) => around.explain(placed, demand),
    fitsOn: (demand, hostId) => around.fitsOn(demand, hostId),
    nearMisses: (demand) => around.nearMisses(demand),
    keep: (hostId, ticket) => {
      keep(hostId, ticket)
      return () => {
        if (keptFor.get(hostId) !== ticket) return
        keep(hostId, undefined)
        tell([hostId])
      }
    },
    onRoom: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    noteConnectedness: (hostId) => {
      around.noteConnectedness(hostId)
      if (isConnected(hostId)) tell([hostId])
    },
    host: (hostId) => around.host(hostId),
    hasHolds: () => held.size > 0,
    withHolds: (look) => look(around),
    withoutHolds: (look) => {
      const hostIds = [...held.keys()]
      for (const hostId of hostIds) show(hostId, [])
      try {
        return look(around)
      } finally {
        for (const hostId of hostIds) show(hostId)
      }
    },
    hold: (hostId, hold) => {
      // A reservation's place is counted with its host already.
      if (hold.demand.slotUid !== undefined) return () => {}
      if (!stored.has(hostId)) return () => {}
      held.set(hostId, (held.get(hostId) ?? new Set()).add(hold))
      around.claim(hostId, claimOf(hold))
      return () => {
        if (forget(hostId, hold)) show(hostId)
        // It may have come to nothing, and until now it stood beside what it has become.
        tell([hostId])
      }
    },
  }
}

const claimOf = ({ demand, devices }: Hold) => ({ uid: 'another request', demand, devices })

/** Most changes are claims: nothing has come free by one that takes CPUs and gives no device back. */
const isFuller = (after: StoredCapacity, before: HostSnapshot): boolean =>
  after.vcpus.used > before.vcpus.used &&
  claimsOf(after.devices) >= claimsOf(before.devices) &&
  after.state === before.state

const claimsOf = (devices: readonly HostDevice[]) =>
  devices.reduce((count, { claimedBy }) => count + (claimedBy === undefined ? 0 : 1), 0)

import type { HostId } from '../../proto/ids.ts'
import type { HostSnapshot } from '../model/placement.ts'
import type { Hold } from '../operations/holds.ts'
import type { Fleet } from '../operations/ports.ts'
import { CapacityCounter } from '../placement/capacity.ts'
import { FleetIndex } from '../placement/index.ts'
import type { StoredCapacity } from '../store/host-store.ts'
import type { Store } from '../store/store.ts'

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
}): Promise<Fleet> {
  const stored = new Map<HostId, HostSnapshot & { readonly revision: number }>()
  /** With what is held. */
  const around = new FleetIndex()
  const held = new Map<HostId, Set<Hold>>()
  const counter = new CapacityCounter()

  function put(host: StoredCapacity): void {
    const { hostId, revision } = host
    // The first read may come after news of what it has read.
    if ((stored.get(hostId)?.revision ?? 0) >= revision) return
    stored.set(hostId, {
      ...host,
      get connected() {
        return isConnected(hostId)
      },
    })
    show(hostId)
  }

  function show(hostId: HostId, holds: Iterable<Hold> = held.get(hostId) ?? []): void {
    const host = stored.get(hostId)
    if (host === undefined) return
    around.put(host)
    for (const { demand, devices } of holds) {
      around.claim(hostId, { uid: 'another request', demand, devices })
    }
  }

  store.onHostsChanged((hosts) => {
    for (const host of hosts) put(host)
  })
  for (const host of (await store.readHostsChangedAfter(0)).hosts) put(host)

  return {
    snapshot: () => [...stored.values()],
    capacity: () => counter.count(around.counted()),
    place: (demand, seed) => around.place(demand, seed),
    host: (hostId) => around.host(hostId),
    hasHolds: () => held.size > 0,
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
      held.set(hostId, (held.get(hostId) ?? new Set()).add(hold))
      show(hostId)
      return () => {
        const holds = held.get(hostId)
        if (holds?.delete(hold) === true && holds.size === 0) held.delete(hostId)
        show(hostId)
      }
    },
  }
}

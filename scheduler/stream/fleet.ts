import type { HostId } from '../../proto/ids.ts'
import type { HostSnapshot } from '../model/placement.ts'
import type { Fleet } from '../operations/ports.ts'
import type { Store, StoredHost } from '../store/store.ts'

/**
 * Every host: capacity from the store, of which only what has changed is read, connectedness from the sessions. A
 * snapshot is never older than the call that asked for it; calls made while a read is under way share the next one.
 */
export function createFleet({
  store,
  isConnected,
}: {
  store: Pick<Store, 'readHostsChangedAfter'>
  isConnected: (hostId: HostId) => boolean
}): Fleet {
  const hosts = new Map<HostId, StoredHost>()
  let revision = 0
  let current: Promise<void> | undefined
  let next: Promise<void> | undefined

  async function refresh(): Promise<void> {
    const changed = await store.readHostsChangedAfter(revision)
    revision = changed.revision
    for (const host of changed.hosts) hosts.set(host.hostId, host)
  }

  function startRefresh(): Promise<void> {
    const read = refresh().finally(() => {
      if (current === read) current = undefined
    })
    current = read
    return read
  }

  function shareRefresh(): Promise<void> {
    if (current === undefined) return startRefresh()
    next ??= current
      // Its failure is told to those who asked for it.
      .catch(() => {})
      .then(() => {
        next = undefined
        return startRefresh()
      })
    return next
  }

  return {
    refresh: shareRefresh,
    snapshot: async () => {
      await shareRefresh()
      return Array.from(
        hosts.values(),
        (host): HostSnapshot => ({ ...host, connected: isConnected(host.hostId) }),
      )
    },
  }
}

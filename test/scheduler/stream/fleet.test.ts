import { describe, expect, it } from 'vitest'
import type { StoredHost } from '../../../scheduler/store/store.ts'
import { createFleet } from '../../../scheduler/stream/fleet.ts'
import { exampleHost } from '../placement/fleets.ts'

function storeOf() {
  const changes: StoredHost[][] = []
  const asked: number[] = []
  return {
    asked,
    change: (...hosts: Parameters<typeof exampleHost>[]) =>
      changes.push(hosts.map((host) => exampleHost(...host) as unknown as StoredHost)),
    readHostsChangedAfter: async (revision: number) => {
      asked.push(revision)
      const hosts = changes.slice(revision).flat()
      const read = { revision: changes.length, hosts }
      await new Promise((resolve) => setImmediate(resolve))
      return read
    },
  }
}

const used = (count: number) => ({ vcpus: { capacity: 8, used: count } })

describe('the fleet', () => {
  it('reads what has changed and keeps the rest', async () => {
    const store = storeOf()
    store.change(['a', used(0)], ['b', used(0)])
    const fleet = createFleet({ store, isConnected: (id) => id === 'a' })
    await fleet.snapshot()
    store.change(['b', used(3)])
    const snapshot = await fleet.snapshot()
    expect(snapshot.map((host) => [host.hostId, host.connected, host.vcpus.used])).toEqual([
      ['a', true, 0],
      ['b', false, 3],
    ])
    expect(store.asked).toEqual([0, 1])
  })

  it('shares one read among those who ask at once, and none is older than its question', async () => {
    const store = storeOf()
    store.change(['a', used(0)])
    const fleet = createFleet({ store, isConnected: () => true })
    const first = fleet.snapshot()
    store.change(['a', used(1)])
    const later = Array.from({ length: 50 }, () => fleet.snapshot())
    await first
    for (const snapshot of await Promise.all(later)) expect(snapshot[0]?.vcpus.used).toBe(1)
    expect(store.asked).toHaveLength(2)
  })

  it('answers again after a read that failed', async () => {
    const store = storeOf()
    store.change(['a', used(0)])
    let isBroken = true
    const fleet = createFleet({
      store: {
        readHostsChangedAfter: async (revision) => {
          if (isBroken) throw new Error('the store has failed')
          return store.readHostsChangedAfter(revision)
        },
      },
      isConnected: () => true,
    })
    await expect(fleet.snapshot()).rejects.toThrow('the store has failed')
    isBroken = false
    expect(await fleet.snapshot()).toHaveLength(1)
  })
})

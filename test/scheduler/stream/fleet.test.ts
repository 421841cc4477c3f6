import { describe, expect, it } from 'vitest'
import { type HostId, hostId } from '../../../proto/ids.ts'
import type { StoredCapacity, StoredHost } from '../../../scheduler/store/host-store.ts'
import { openFleet } from '../../../scheduler/stream/fleet.ts'
import { devicesOf, exampleDemand, exampleHost } from '../placement/fleets.ts'

const hostOf = (id: string, revision: number, usedVcpus: number) =>
  ({ ...exampleHost(id, { vcpus: { capacity: 8, used: usedVcpus } }), revision }) as unknown as StoredHost

/** A store with these hosts; `commit` is the news of a transaction. */
function storeOf(hosts: readonly StoredHost[]) {
  let listener: (changed: readonly StoredCapacity[]) => void = () => {}
  return {
    commit: (...changed: StoredHost[]) => listener(changed),
    onHostsChanged: (added: typeof listener) => {
      listener = added
      return () => {}
    },
    readHostsChangedAfter: async () => ({ revision: hosts.length, hosts }),
  }
}

const usedOf = (hosts: ReturnType<Awaited<ReturnType<typeof openFleet>>['snapshot']>) =>
  hosts.map((host) => [host.hostId, host.vcpus.used])

describe('the fleet', () => {
  it('has every host, and what transactions have changed since', async () => {
    const store = storeOf([hostOf('a', 1, 0), hostOf('b', 2, 0)])
    const fleet = await openFleet({ store, isConnected: () => true })
    store.commit(hostOf('b', 3, 3), hostOf('c', 4, 1))
    expect(usedOf(fleet.snapshot())).toEqual([
      ['a', 0],
      ['b', 3],
      ['c', 1],
    ])
  })

  it('keeps the newer of what the first read and the news say', async () => {
    const store = storeOf([hostOf('a', 1, 0)])
    const opening = openFleet({ store, isConnected: () => true })
    store.commit(hostOf('a', 2, 5))
    expect(usedOf((await opening).snapshot())).toEqual([['a', 5]])
  })

  it('asks who is connected when somebody looks', async () => {
    const connected = new Set<HostId>()
    const fleet = await openFleet({
      store: storeOf([hostOf('a', 1, 0)]),
      isConnected: (id) => connected.has(id),
    })
    const see = () => [...fleet.snapshot(), fleet.host(hostId('a'))].map((host) => host?.connected)
    expect(see()).toEqual([false, false])
    connected.add(hostId('a'))
    expect(see()).toEqual([true, true])
  })

  it('shows holds beside what is stored, until they are taken back', async () => {
    const store = storeOf([hostOf('a', 1, 1), hostOf('b', 2, 0)])
    const fleet = await openFleet({ store, isConnected: () => true })
    const demand = { vcpus: 2, memoryMib: 0, diskGb: 0 } as never
    const releases = [1, 2].map(() => fleet.hold(hostId('a'), { demand, devices: [] }))
    const usedAround = () => ['a', 'b'].map((id) => fleet.host(hostId(id))?.vcpus.used)
    expect(usedAround()).toEqual([5, 0])
    releases[0]?.()
    store.commit(hostOf('a', 3, 3))
    expect(usedAround()).toEqual([5, 0])
    releases[1]?.()
    expect(usedAround()).toEqual([3, 0])
    expect(usedOf(fleet.snapshot())[0]).toEqual(['a', 3])
  })

  it('counts a hold once where its host has its devices claimed', async () => {
    const host = exampleHost('a', { devices: devicesOf('h100@0') })
    const store = storeOf([{ ...host, revision: 1 }] as never)
    const fleet = await openFleet({ store, isConnected: () => true })
    const [device] = host.devices
    if (device === undefined) throw new Error('The example has no devices.')
    const demand = { ...exampleDemand, vcpus: 4 }
    const release = fleet.hold(host.hostId, { demand, devices: [device.address] })
    const seen = () => {
      const { vcpus, devices } = fleet.host(host.hostId) ?? host
      return [vcpus.used - host.vcpus.used, devices[0]?.claimedBy]
    }
    expect(seen()).toEqual([4, 'another request'])
    const vcpus = { ...host.vcpus, used: host.vcpus.used + 4 }
    const devices = [{ ...device, claimedBy: 'one' }, ...host.devices.slice(1)]
    store.commit({ ...host, vcpus, devices, revision: 2 } as never)
    expect([...seen(), fleet.hasHolds()]).toEqual([4, 'one', false])
    release()
    expect(seen()).toEqual([4, 'one'])
  })

  it('keeps a host for one ticket, with holds and without, until it is let go', async () => {
    const store = storeOf([hostOf('a', 1, 0)])
    const fleet = await openFleet({ store, isConnected: () => true })
    const fits = (ticket?: string) =>
      fleet.fitsOn({ ...exampleDemand, ...(ticket === undefined ? {} : { ticket }) }, hostId('a'))
    const letGo = fleet.keep(hostId('a'), 'w1')
    expect([fits(), fits('w1'), fits('w2'), fleet.snapshot()[0]?.keptFor]).toEqual([false, true, false, 'w1'])
    store.commit(hostOf('a', 2, 1))
    expect([fits(), fleet.place(exampleDemand, 'seed')]).toMatchObject([
      false,
      { kind: 'not-now', explanation: { refusedBy: [{ rule: 'kept', hosts: 1 }] } },
    ])
    letGo()
    expect([fits(), fleet.snapshot()[0]?.keptFor]).toEqual([true, undefined])
  })

  it('tells of hosts that may have room that was not there before, and of no claims', async () => {
    const store = storeOf([hostOf('a', 1, 4)])
    const fleet = await openFleet({ store, isConnected: () => true })
    const told: (readonly HostId[])[] = []
    const stop = fleet.onRoom((hosts) => told.push(hosts))
    store.commit(hostOf('a', 2, 5))
    expect(told).toEqual([])
    store.commit(hostOf('a', 3, 4), hostOf('b', 4, 8))
    fleet.noteConnectedness(hostId('b'))
    fleet.hold(hostId('a'), { demand: exampleDemand, devices: [] })()
    fleet.keep(hostId('b'), 'w1')()
    store.commit({ ...hostOf('b', 5, 8), labels: { rack: 'r1' } })
    expect(told).toEqual([['a', 'b'], ['b'], ['a'], ['b'], ['b']])
    stop()
    store.commit(hostOf('c', 6, 0))
    expect(told).toHaveLength(5)
  })

  it('places around what is held, and on hosts that have come to be connected', async () => {
    const connected = new Set<HostId>()
    const hosts = ['a', 'b'].map((id, index) => ({ ...exampleHost(id), revision: index + 1 }))
    const fleet = await openFleet({
      store: storeOf(hosts as never),
      isConnected: (id) => connected.has(id),
    })
    const demand = { ...exampleDemand, vcpus: 40 }
    const placed = () => {
      const verdict = fleet.place(demand, 'seed')
      return verdict.kind === 'placed' ? verdict.hostId : verdict.kind
    }
    expect(placed()).toBe('not-now')
    connected.add(hostId('b'))
    expect(placed()).toBe('b')
    const release = fleet.hold(hostId('b'), { demand, devices: [] })
    expect(placed()).toBe('not-now')
    expect(fleet.withoutHolds((index) => index.decide(demand, 'seed'))?.hostId).toBe('b')
    expect(placed()).toBe('not-now')
    connected.add(hostId('a'))
    expect(placed()).toBe('a')
    release()
    connected.delete(hostId('a'))
    expect(placed()).toBe('b')
  })
})

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { type HostId, hostId, instanceUid, networkUid } from '../../../proto/ids.ts'
import type {
  MembershipChange,
  MembershipStore,
  NetworkMembership,
} from '../../../scheduler/store/membership-store.ts'
import type { Store } from '../../../scheduler/store/store.ts'
import { type MemberNames, startMemberNames } from '../../../scheduler/stream/member-names.ts'
import type { LiveHandle } from '../../../scheduler/stream/sessions.ts'

const [one, two, three] = ['host-1', 'host-2', 'host-3'].map(hostId) as [HostId, HostId, HostId]

/** What the store knows of instances: those there are, and a log of changes. */
function createWorld() {
  const members = new Map<string, NetworkMembership>()
  const log: MembershipChange[] = []
  let made = 0
  let isForgotten = false
  const put = (uid: string, host: HostId, network: string) => {
    const known = members.get(uid)
    if (known === undefined) made += 1
    const nics = known?.nics ?? [{ network: networkUid(network), addresses: [`10.0.0.${made}`] }]
    const member = { uid: instanceUid(uid), hostId: host, hostname: `${uid}.example`, nics }
    members.set(uid, member)
    log.push({ kind: 'member', change: log.length + 1, member })
  }
  /** It is gone, or has given back what it held. */
  const remove = (uid: string) => {
    const networks = members.get(uid)?.nics.map(({ network }) => network) ?? []
    members.delete(uid)
    log.push({ kind: 'gone', change: log.length + 1, uid: instanceUid(uid), networks })
  }
  const membersOf = (network: string) =>
    [...members.values()].filter(({ nics }) => nics.some((nic) => nic.network === network))
  const store: MembershipStore & Pick<Store, 'readChangePosition'> = {
    readChangePosition: async () => log.length,
    readMembershipsAfter: async ({ after, limit }) => {
      if (isForgotten) {
        isForgotten = false
        return { kind: 'forgotten', last: log.length }
      }
      const changes = log.slice(after, after + limit)
      return { kind: 'changes', changes, through: after + changes.length }
    },
    listNetworksOnHost: async (host) => [
      ...new Set(
        [...members.values()]
          .filter((member) => member.hostId === host)
          .flatMap(({ nics }) => nics.map(({ network }) => network)),
      ),
    ],
    listNetworkMembers: async (network) => membersOf(network),
    listNetworkHosts: async (network) => [...new Set(membersOf(network).map((member) => member.hostId))],
  }
  return {
    ...store,
    put,
    remove,
    forget: () => {
      isForgotten = true
    },
  }
}

describe('the names of members elsewhere', () => {
  let world: ReturnType<typeof createWorld>
  let sessions: Map<HostId, LiveHandle>
  let names: MemberNames
  let tick: () => void
  let nowMs = 0
  const told: string[] = []
  const behind = new Set<HostId>()

  const connect = (host: HostId) =>
    sessions.set(host, {
      hostId: host,
      isBehind: () => behind.has(host),
      tellMembers: ({ networkUid, isComplete, members, goneInstanceUids }) => {
        const here = members.map(({ hostname, addresses }) => `${hostname.split('.')[0]}=${addresses}`)
        told.push(
          [host, networkUid, isComplete ? 'all' : 'more', ...here, '-', ...goneInstanceUids].join(' '),
        )
      },
    } as LiveHandle)

  const look = async () => {
    told.length = 0
    tick()
    await names.close()
    return told.toSorted()
  }

  beforeEach(() => {
    world = createWorld()
    sessions = new Map()
    behind.clear()
    names = startMemberNames({
      store: world,
      sessions: {
        find: (host) => sessions.get(host),
        list: () => [...sessions.values()] as never,
      },
      clock: {
        ...systemClock,
        monotonicMs: () => nowMs,
        every: (_intervalMs, work) => {
          tick = work
          return () => {}
        },
      },
      log: silentLogger,
    })
    world.put('a', one, 'blue')
    world.put('b', two, 'blue')
    world.put('c', two, 'red')
  })
  afterEach(() => names.close())

  it('are told whole to a session that begins, and only those elsewhere', async () => {
    connect(one)
    connect(two)
    expect(await look()).toEqual([
      'host-1 blue all b=10.0.0.2 -',
      'host-2 blue all a=10.0.0.1 -',
      'host-2 red all -',
    ])
    expect(await look()).toEqual([])
  })

  it('are told as they change, to hosts that have members', async () => {
    for (const host of [one, two, three]) connect(host)
    await look()
    world.put('d', one, 'blue')
    world.remove('a')
    expect(await look()).toEqual(['host-1 blue more - a', 'host-2 blue more d=10.0.0.4 - a'])
  })

  it('go with the claims of an instance', async () => {
    connect(one)
    await look()
    world.remove('b')
    expect(await look()).toEqual(['host-1 blue more - b'])
  })

  it('are told whole to a host that gets its first member', async () => {
    connect(one)
    connect(three)
    await look()
    world.put('d', three, 'blue')
    expect(await look()).toEqual(['host-1 blue more d=10.0.0.4 -', 'host-3 blue all a=10.0.0.1 b=10.0.0.2 -'])
  })

  it('wait for a host that is behind, and nobody else waits', async () => {
    connect(one)
    connect(two)
    await look()
    behind.add(two)
    world.put('d', one, 'blue')
    world.put('e', two, 'blue')
    expect(await look()).toEqual(['host-1 blue more e=10.0.0.5 -'])
    behind.delete(two)
    expect(await look()).toEqual(['host-2 blue all a=10.0.0.1 d=10.0.0.4 -', 'host-2 red all -'])
  })

  it('rest nine times as long as the last telling took, and nothing is left out', async () => {
    connect(one)
    await look()
    const { readMembershipsAfter } = world
    world.readMembershipsAfter = async (input) => {
      nowMs += 100
      return readMembershipsAfter(input)
    }
    world.put('d', two, 'blue')
    expect(await look()).toEqual(['host-1 blue more d=10.0.0.4 -'])
    world.put('e', two, 'blue')
    nowMs += 899
    expect(await look()).toEqual([])
    nowMs += 1
    expect(await look()).toEqual(['host-1 blue more e=10.0.0.5 -'])
  })

  it('are told whole where the store has forgotten what changed', async () => {
    connect(one)
    await look()
    world.forget()
    expect(await look()).toEqual(['host-1 blue all b=10.0.0.2 -'])
  })

  it('are told in parts where they are many', async () => {
    for (let index = 0; index < 6000; index += 1) world.put(`m${index}`, two, 'green')
    world.put('g', one, 'green')
    connect(one)
    const lists = await look()
    expect(lists.map((list) => list.split(' ').slice(1, 3).join(' '))).toEqual([
      'blue all',
      'green all',
      'green more',
    ])
    expect(lists.join(' ').match(/m\d+=/g)).toHaveLength(6000)
  })
})

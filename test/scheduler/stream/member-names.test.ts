import { create } from '@bufbuild/protobuf'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { InstanceSpecSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type HostId, hostId, instanceUid, type NetworkUid, projectId } from '../../../proto/ids.ts'
import type { InstanceRecord } from '../../../scheduler/model/instance.ts'
import type { InstanceChange, ReadChangesOutcome } from '../../../scheduler/store/store.ts'
import { type MemberNames, startMemberNames } from '../../../scheduler/stream/member-names.ts'
import type { LiveHandle } from '../../../scheduler/stream/sessions.ts'

const [one, two, three] = ['host-1', 'host-2', 'host-3'].map(hostId) as [HostId, HostId, HostId]

/** What the store knows of instances: those there are, and a log of changes. */
function createWorld() {
  const instances = new Map<string, InstanceRecord>()
  const log: InstanceChange[] = []
  let isForgotten = false
  const put = (uid: string, host: HostId, network: string, holds: InstanceRecord['holds'] = 'everything') => {
    const spec = create(InstanceSpecSchema, {
      ...{ uid, hostname: `${uid}.example` },
      nics: [{ ipv4Address: `10.0.0.${instances.size + 1}`, network: { uid: network } }],
    })
    const instance = { uid, hostId: host, spec, holds } as unknown as InstanceRecord
    instances.set(uid, instance)
    log.push({ kind: 'changed', change: log.length + 1, instance })
  }
  const remove = (uid: string) => {
    const gone = instances.get(uid)
    instances.delete(uid)
    const networks = gone?.spec.nics.map(({ network }) => network?.uid as NetworkUid) ?? []
    const identity = { uid: instanceUid(uid), id: uid, project: projectId('shop') }
    log.push({ kind: 'deleted', change: log.length + 1, ...identity, networks })
  }
  const held = () => [...instances.values()].filter(({ holds }) => holds !== 'nothing')
  const membersOf = (network: string) =>
    held().filter(({ spec }) => spec.nics.some((nic) => nic.network?.uid === network))
  return {
    put,
    remove,
    forget: () => {
      isForgotten = true
    },
    readChangePosition: async () => log.length,
    readChangesAfter: async ({ after, limit }: { after: number; limit: number }) => {
      if (isForgotten) {
        isForgotten = false
        return { kind: 'forgotten', last: log.length } satisfies ReadChangesOutcome
      }
      const changes = log.slice(after, after + limit)
      return { kind: 'changes', changes, through: after + changes.length } satisfies ReadChangesOutcome
    },
    listInstancesOnHost: async (host: HostId) => held().filter((instance) => instance.hostId === host),
    listNetworkMembers: async (network: string) => membersOf(network),
    listNetworkHosts: async (network: string) => [
      ...new Set(membersOf(network).map((member) => member.hostId)),
    ],
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
    world.put('b', two, 'blue', 'nothing')
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
    const readChangesAfter = world.readChangesAfter
    world.readChangesAfter = async (input) => {
      nowMs += 100
      return readChangesAfter(input)
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

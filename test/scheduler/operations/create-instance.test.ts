import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { seededRandom } from '../../../lib/random.ts'
import { createTurns } from '../../../lib/turns.ts'
import { type HostId, hostId, zoneId } from '../../../proto/ids.ts'
import type { InstanceRecord } from '../../../scheduler/model/instance.ts'
import type { HostSnapshot } from '../../../scheduler/model/placement.ts'
import type { ChangeFeed } from '../../../scheduler/operations/change-feed.ts'
import { createInstance } from '../../../scheduler/operations/create-instance.ts'
import type { Hold } from '../../../scheduler/operations/holds.ts'
import type { IdentityKeys } from '../../../scheduler/operations/identity-keys.ts'
import type { HostQueries, OperationPorts, WaitingQueue } from '../../../scheduler/operations/ports.ts'
import { CountedHost } from '../../../scheduler/placement/counted-host.ts'
import { indexOf, place } from '../../../scheduler/placement/index.ts'
import type { CommitPlacement, CommitPlacementOutcome, Store } from '../../../scheduler/store/store.ts'
import { exampleContext, exampleType } from '../admission/context.ts'

const { catalogue, project } = exampleContext()
const host: HostSnapshot = {
  hostId: hostId('host-1'),
  zone: zoneId('us1-a'),
  state: 'ready',
  connected: true,
  architecture: 'x86_64',
  vcpus: { capacity: 64, used: 0 },
  memoryMib: { capacity: 65_536, used: 0 },
  diskGb: { capacity: 500, used: 0 },
  devices: [],
}
const lost: CommitPlacementOutcome = { kind: 'claim-lost', what: 'memory', message: 'gone' }
const committed = (input: CommitPlacement): CommitPlacementOutcome => ({
  kind: 'committed',
  // Of the record only the identity matters here.
  instance: { uid: input.uid, id: input.id, hostId: input.hostId } as InstanceRecord,
  command: { sequence: 1, encoded: new Uint8Array() },
})

/** A store whose commits end as scripted, and then well. */
function scripted(outcomes: readonly CommitPlacementOutcome[]) {
  const commits: CommitPlacement[] = []
  const nudged: HostId[] = []
  const holds = new Set<Hold>()
  const held = () => {
    const counted = new CountedHost(host)
    for (const hold of holds) counted.claim({ ...hold, uid: 'held' })
    return counted.snapshot
  }
  let looks = 0
  const commitPlacement = async (input: CommitPlacement) => {
    commits.push(input)
    return outcomes[commits.length - 1] ?? committed(input)
  }
  const ports: OperationPorts = {
    store: { commitPlacement } as Partial<Store> as Store,
    turns: createTurns(),
    feed: {} as ChangeFeed,
    waiting: {} as WaitingQueue,
    identity: {} as IdentityKeys,
    fleet: {
      snapshot: () => [host],
      capacity: () => [],
      place: (demand, seed) => {
        looks += 1
        return place(demand, [held()], seed)
      },
      host: held,
      hasHolds: () => holds.size > 0,
      withHolds: (look) => look(indexOf([held()])),
      withoutHolds: (look) => look(indexOf([host])),
      hold: (_hostId, hold) => {
        holds.add(hold)
        return () => holds.delete(hold)
      },
    },
    dispatch: { nudge: (id) => void nudged.push(id), offer: (id) => void nudged.push(id) },
    queries: {} as HostQueries,
    catalogue: { ...catalogue, refresh: async () => {} },
    clock: systemClock,
    random: seededRandom('create'),
    log: silentLogger,
  }
  const create = (id?: string) =>
    createInstance(
      {
        project,
        body: { type: exampleType, ...(id === undefined ? {} : { id }) },
        principal: 'alice',
        requestId: 'req_1',
        serverHost: 'localhost',
      },
      ports,
    )
  return { create, commits, holds, nudged, looks: () => looks }
}

describe('createInstance', () => {
  it('places a lost race again, on a fresh look each time, and holds nothing afterwards', async () => {
    const { create, commits, nudged, looks, holds } = scripted([lost, lost])
    expect(await create()).toMatchObject({ kind: 'done' })
    expect([commits.length, looks(), holds.size]).toEqual([3, 3, 0])
    expect(new Set(commits.map((commit) => commit.uid)).size).toBe(3)
    expect(nudged).toEqual(['host-1'])
  })

  it('gives up after five, and tells no host', async () => {
    const { create, commits, nudged } = scripted(Array.from({ length: 9 }, () => lost))
    expect(await create()).toMatchObject({ kind: 'refused', problems: [{ reason: 'TRY_AGAIN' }] })
    expect(commits).toHaveLength(5)
    expect(nudged).toEqual([])
  })

  it('lets holds spread requests, but refuse none', async () => {
    const { create, commits, holds } = scripted([])
    const all = {
      zone: zoneId('us1-a'),
      architecture: 'x86_64',
      vcpus: 64,
      memoryMib: 65_536,
      diskGb: 500,
      gpus: [],
    }
    // It may still come to nothing.
    holds.add({ demand: all, devices: [] })
    expect(await create()).toMatchObject({ kind: 'done' })
    expect(commits).toHaveLength(1)
  })

  it('makes another name up where its own is taken, but keeps to a name that was asked', async () => {
    const taken = { kind: 'name-taken', uid: exampleContext().identity.uid } as const
    const free = scripted([taken])
    expect(await free.create()).toMatchObject({ kind: 'done' })
    expect(new Set(free.commits.map((commit) => commit.id)).size).toBe(2)
    const asked = scripted([taken])
    expect(await asked.create('mine')).toMatchObject({ problems: [{ reason: 'NAME_TAKEN', field: 'id' }] })
    expect(asked.commits).toHaveLength(1)
  })

  it('draws other MAC addresses where one of its own is taken', async () => {
    const { create, commits } = scripted([{ kind: 'mac-taken' }])
    expect(await create()).toMatchObject({ kind: 'done' })
    const drawn = commits.map(({ addresses }) => addresses[0]?.macAddress)
    expect([drawn.length, new Set(drawn).size]).toEqual([2, 2])
  })

  it('commits the demand of what was admitted, for the host that was chosen', async () => {
    const { create, commits } = scripted([])
    await create()
    expect(commits[0]).toMatchObject({
      hostId: 'host-1',
      demand: { zone: 'us1-a', vcpus: 4, memoryMib: 8192, diskGb: 10 },
      devices: [],
      requestId: 'req_1',
      spec: { hostname: expect.stringMatching(/^instance-[a-z0-9]{6}\.us1-a/) as string },
    })
  })
})

// Gangs by brute force: what is placed is together and fits, and of members that are alike none is refused a value of the
// label that has room for all of them.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hostId, pciAddress } from '../../../proto/ids.ts'
import type { Demand, HostSnapshot } from '../../../scheduler/model/placement.ts'
import {
  couldEverBeTogether,
  type FleetIndex,
  type Gang,
  indexOf,
  placeGang,
  placeTogether,
} from '../../../scheduler/placement/index.ts'
import { exampleDemand, exampleHost } from './fleets.ts'

interface Drawn {
  readonly rack: string | undefined
  readonly usedVcpus: number
  readonly gpus: readonly boolean[]
  readonly isReady: boolean
}

const capacity = 8

const drawnHost: fc.Arbitrary<Drawn> = fc.record({
  rack: fc.constantFrom('r1', 'r1', 'r2', 'r3', undefined),
  usedVcpus: fc.integer({ min: 0, max: capacity }),
  gpus: fc.array(fc.boolean(), { maxLength: 4 }),
  isReady: fc.constantFrom(true, true, true, false),
})

const hostOf = ({ rack, usedVcpus, gpus, isReady }: Drawn, at: number): HostSnapshot =>
  exampleHost(`host-${at}`, {
    ...(rack === undefined ? {} : { labels: { rack } }),
    ...{ state: isReady ? 'ready' : 'cordoned', occupants: [] },
    vcpus: { capacity, used: usedVcpus },
    devices: gpus.map((isClaimed, slot) => ({
      ...{ address: pciAddress(`0000:0${slot}:00.0`), acceleratorType: 'h100', numaNode: 0, present: true },
      ...(isClaimed ? { claimedBy: 'somebody' } : {}),
    })),
  })

const demandOf = ({ vcpus, gpus }: { vcpus: number; gpus: number }): Demand => ({
  ...{ ...exampleDemand, vcpus, memoryMib: 1, diskGb: 0 },
  gpus: gpus === 0 ? [] : [{ type: 'h100', count: gpus }],
})

const wishes = fc.record({
  vcpus: fc.integer({ min: 1, max: 4 }),
  gpus: fc.integer({ min: 0, max: 2 }),
})

const gangOf = (demands: readonly Demand[]): Gang => ({
  members: demands.map((demand, at) => ({ uid: `member-${at}`, demand })),
  place: ({ at, demand }, index) => index.place(demand, `seed-${at}`),
})

const freeGpus = ({ devices }: HostSnapshot) =>
  devices.filter(({ claimedBy }) => claimedBy === undefined).length

const roomOn = (host: HostSnapshot, { vcpus, gpus: [wish] }: Demand) =>
  host.state !== 'ready'
    ? 0
    : Math.min(
        Math.floor((host.vcpus.capacity - host.vcpus.used) / vcpus),
        wish === undefined ? Number.POSITIVE_INFINITY : Math.floor(freeGpus(host) / wish.count),
      )

/** By rack, how many of one kind have room there. */
function roomByRack(hosts: readonly HostSnapshot[], demand: Demand): Map<string, number> {
  const rooms = new Map<string, number>()
  for (const host of hosts) {
    const rack = host.labels?.['rack']
    if (rack !== undefined && host.state === 'ready') {
      rooms.set(rack, (rooms.get(rack) ?? 0) + roomOn(host, demand))
    }
  }
  return rooms
}

const emptied = (host: HostSnapshot): HostSnapshot => ({
  ...{ ...host, state: 'ready', vcpus: { capacity, used: 0 } },
  devices: host.devices.map(({ claimedBy: _, ...device }) => device),
})

const snapshots = (index: FleetIndex) =>
  Array.from(index.counted(), ({ snapshot }) => structuredClone({ ...snapshot }))

const wish = { key: 'rack', seed: 'some-seed' }

describe('a gang on hosts of one label', () => {
  it('of members that are alike is placed exactly where one value has room for all', () => {
    fc.assert(
      fc.property(
        fc.array(drawnHost, { maxLength: 8 }),
        wishes,
        fc.integer({ min: 1, max: 6 }),
        (drawn, one, count) => {
          const hosts = drawn.map(hostOf)
          const demand = demandOf(one)
          const rooms = roomByRack(hosts, demand)
          const most = Math.max(0, ...rooms.values())
          const index = indexOf(hosts)
          const gang = gangOf(Array.from({ length: count }, () => demand))
          const outcome = placeTogether(gang, index, wish)
          if (outcome.kind === 'scattered') {
            expect(most).toBeLessThan(count)
            expect(outcome.rooms.map(({ roomFor }) => roomFor)).toEqual(
              [...rooms.values()].toSorted((a, b) => b - a),
            )
            expect(new Map(outcome.rooms.map(({ value, roomFor }) => [value, roomFor]))).toEqual(rooms)
            const empty = roomByRack(hosts.map(emptied), demand)
            expect(couldEverBeTogether(gang, index, wish)).toBe(Math.max(0, ...empty.values()) >= count)
            return
          }
          expect(rooms.get(outcome.value)).toBeGreaterThanOrEqual(count)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('is together, takes nothing twice, and leaves the index as it was', () => {
    fc.assert(
      fc.property(
        fc.array(drawnHost, { maxLength: 8 }),
        fc.array(wishes, { minLength: 1, maxLength: 6 }),
        (drawn, mixed) => {
          const hosts = drawn.map(hostOf)
          const demands = mixed.map(demandOf)
          const index = indexOf(hosts)
          const before = snapshots(index)
          const outcome = placeTogether(gangOf(demands), index, wish)
          expect(snapshots(index)).toEqual(before)
          if (outcome.kind === 'scattered') return
          expect(outcome.placed).toHaveLength(demands.length)
          for (const host of hosts) {
            const here = demands.flatMap((demand, at) => {
              const placed = outcome.placed[at]
              return placed?.hostId === host.hostId ? { demand, placed } : []
            })
            if (here.length === 0) continue
            expect(host.labels?.['rack']).toBe(outcome.value)
            const vcpus = here.reduce((sum, { demand }) => sum + demand.vcpus, 0)
            expect(vcpus).toBeLessThanOrEqual(host.vcpus.capacity - host.vcpus.used)
            const given = here.flatMap(({ placed }) => placed.devices.map(({ address }) => address))
            expect(new Set(given).size).toBe(given.length)
            const claimed = host.devices.flatMap((one) => (one.claimedBy === undefined ? [] : one.address))
            expect(given.filter((address) => claimed.includes(address))).toEqual([])
          }
        },
      ),
      { numRuns: 1000 },
    )
  })
})

const rack = (value: string, gpus: number, at: number) =>
  hostOf({ rack: value, usedVcpus: 0, gpus: Array.from({ length: gpus }, () => false), isReady: true }, at)

describe('placing a gang', () => {
  it('takes the value with the least room that does, so that others stay whole', () => {
    const index = indexOf([rack('wide', 4, 0), rack('wide', 4, 1), rack('small', 1, 2), rack('right', 2, 3)])
    const two = Array.from({ length: 2 }, () => demandOf({ vcpus: 1, gpus: 1 }))
    expect(placeTogether(gangOf(two), index, wish)).toMatchObject({ kind: 'placed', value: 'right' })
  })

  it('places the largest first: whoever comes later in the request does not find its only place taken', () => {
    const index = indexOf([rack('r1', 2, 0), rack('r1', 1, 1)])
    const demands = [demandOf({ vcpus: 1, gpus: 1 }), demandOf({ vcpus: 1, gpus: 2 })]
    const outcome = placeGang(gangOf(demands), index)
    expect(outcome.kind === 'placed' && outcome.placed.map((one) => one.hostId)).toEqual([
      hostId('host-1'),
      hostId('host-0'),
    ])
  })

  it('says who is in the way and how many have a place', () => {
    const index = indexOf([rack('r1', 2, 0)])
    const demands = Array.from({ length: 3 }, () => demandOf({ vcpus: 1, gpus: 1 }))
    expect(placeGang(gangOf(demands), index)).toMatchObject({ kind: 'refused', at: 2, roomFor: 2 })
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { zoneId } from '../../../proto/ids.ts'
import type { Demand, HostSnapshot } from '../../../scheduler/model/placement.ts'
import { type Advice, type Resident, searchAdvice } from '../../../scheduler/placement/advisor/index.ts'
import { CountedHost } from '../../../scheduler/placement/counted-host.ts'
import { chooseDevices } from '../../../scheduler/placement/devices.ts'
import { indexOf } from '../../../scheduler/placement/index.ts'
import { fits } from '../../../scheduler/placement/pipeline.ts'
import { usualDemand } from '../../../scheduler/placement/usual-demand.ts'
import { withClaim, withoutClaim } from './claims.ts'
import { devicesOf, exampleDemand, exampleHost } from './fleets.ts'
import { fitsOn } from './oracle.ts'

const devices = devicesOf('h100@0 h100@0 h100@1 h100@1')
const addresses = devices.map(({ address }) => address)
const partitions = [[0, 1, 2, 3], [0, 1], [2, 3], [0], [1], [2], [3]].map((one) =>
  one.map((index) => addresses[index] ?? devices[0]?.address ?? ('' as never)),
)

interface Fleet {
  readonly hosts: readonly HostSnapshot[]
  readonly residents: ReadonlyMap<string, readonly Resident[]>
}

/** Instances come one after the other to the hosts that are named, as far as these take them. */
function fleetOf(
  hosts: readonly HostSnapshot[],
  wishes: readonly { readonly host: number; readonly demand: Demand }[],
): Fleet {
  const now = hosts.map((host) => host)
  const residents = new Map<string, Resident[]>()
  for (const [number, { host: at, demand }] of wishes.entries()) {
    const host = now[at % now.length]
    if (host === undefined) continue
    const counted = new CountedHost(host)
    if (!fits(demand, counted)) continue
    const claim = {
      uid: `i-${number}`,
      demand,
      devices: chooseDevices(demand, counted).map(({ address }) => address),
    }
    now[at % now.length] = withClaim(host, claim)
    residents.set(host.hostId, [...(residents.get(host.hostId) ?? []), claim])
  }
  return { hosts: now, residents }
}

function adviceFor({ hosts, residents }: Fleet, gpus: number): Advice {
  const index = indexOf(hosts)
  const search = searchAdvice({ zone: 'z1', type: 'h100', gpus }, index)
  let step = search.next()
  while (step.done !== true) step = search.next(residents.get(step.value) ?? [])
  expect(hosts.map(({ hostId }) => index.host(hostId))).toEqual(hosts)
  return step.value
}

const gpusOf = ({ demand }: Resident) => demand.gpus.reduce((sum, { count }) => sum + count, 0)
const place = (host: HostSnapshot, uid: string, demand: Demand): HostSnapshot =>
  withClaim(host, {
    ...{ uid, demand },
    devices: chooseDevices(demand, new CountedHost(host)).map(({ address }) => address),
  })

/** The fewest GPUs, by trying every choice of instances of every host, and every host for each of them. */
function fewestMoved({ hosts, residents }: Fleet, gpus: number): number | undefined {
  let fewest: number | undefined
  for (const [at, host] of hosts.entries()) {
    const there = residents.get(host.hostId) ?? []
    for (let bits = 1; bits < 2 ** there.length; bits += 1) {
      const leaving = there
        .filter((_, index) => (bits & (1 << index)) !== 0)
        .toSorted((a, b) => gpusOf(b) - gpusOf(a) || b.demand.vcpus - a.demand.vcpus)
      const moved = leaving.reduce((sum, one) => sum + gpusOf(one), 0)
      if (fewest !== undefined && moved >= fewest) continue
      const cleared = leaving.reduce(withoutClaim, host)
      const demand = usualDemand(new CountedHost(host), 'h100', gpus)
      if (!fitsOn(demand, cleared, hosts)) continue
      const fleet = hosts.with(at, place(cleared, 'wanted', demand))
      if (findPlaces(leaving, fleet)) fewest = moved
    }
  }
  return fewest
}

function findPlaces([first, ...others]: readonly Resident[], fleet: readonly HostSnapshot[]): boolean {
  if (first === undefined) return true
  return fleet.some(
    (host, at) =>
      fitsOn(first.demand, host, fleet) &&
      findPlaces(others, fleet.with(at, place(host, first.uid, first.demand))),
  )
}

const wishes = fc.array(
  fc.record({
    host: fc.nat(3),
    demand: fc
      .record({
        gpus: fc.constantFrom(0, 1, 1, 1, 2, 2),
        vcpus: fc.constantFrom(1, 4, 12, 30),
        apart: fc.nat(5),
      })
      .map(({ gpus, vcpus, apart }) => ({
        ...{ ...exampleDemand, zone: zoneId('z1'), vcpus },
        gpus: gpus === 0 ? [] : [{ type: 'h100', count: gpus }],
        ...(apart === 0 ? { groups: ['db'], antiAffinity: ['db'] } : {}),
      })),
  }),
  { maxLength: 9 },
)
const fleets: fc.Arbitrary<Fleet> = fc
  .tuple(fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }), wishes)
  .map(([joined, wanted]) =>
    fleetOf(
      joined.map((isJoined, number) =>
        exampleHost(`host-${number}`, { devices, occupants: [], ...(isJoined ? { partitions } : {}) }),
      ),
      wanted,
    ),
  )

describe('the advice on what to move', () => {
  it('makes room with the fewest GPUs, exactly where trying everything finds a way', () => {
    const kinds = { fits: 0, moves: 0, none: 0 }
    fc.assert(
      fc.property(fleets, fc.constantFrom(2, 4), (fleet, gpus) => {
        const advice = adviceFor(fleet, gpus)
        kinds[advice.kind] += 1
        const fitsNow = fleet.hosts.some((host) =>
          fitsOn(usualDemand(new CountedHost(host), 'h100', gpus), host, fleet.hosts),
        )
        expect(advice.kind === 'fits').toBe(fitsNow)
        if (fitsNow) return
        const fewest = fewestMoved(fleet, gpus)
        expect(advice.kind === 'moves' ? advice.movedGpus : undefined).toBe(fewest)
      }),
      { numRuns: 1500 },
    )
    expect(kinds.moves).toBeGreaterThan(50)
    expect(kinds.none).toBeGreaterThan(20)
  })

  it('holds when it is carried out: they go, the request comes, and each fits where it is said to', () => {
    let carriedOut = 0
    fc.assert(
      fc.property(fleets, fc.constantFrom(2, 4), (fleet, gpus) => {
        const advice = adviceFor(fleet, gpus)
        if (advice.kind !== 'moves') return
        carriedOut += 1
        const index = indexOf(fleet.hosts)
        const there = fleet.residents.get(advice.hostId) ?? []
        const leaving = advice.moves.flatMap(({ uid }) => there.filter((one) => one.uid === uid))
        expect(leaving).toHaveLength(advice.moves.length)
        for (const one of leaving) index.release(advice.hostId, one)
        const host = index.host(advice.hostId)
        if (host === undefined) throw new Error('The host is gone.')
        const demand = usualDemand(new CountedHost(host), 'h100', gpus)
        const verdict = index.decide(demand, 'any seed')
        if (verdict === undefined) throw new Error('There is no room for it.')
        index.put(place(host, 'wanted', demand))
        for (const { uid, to } of advice.moves) {
          const one = leaving.find((resident) => resident.uid === uid)
          const target = index.host(to)
          if (one === undefined || target === undefined) throw new Error('It has no place.')
          expect(
            fitsOn(
              one.demand,
              target,
              [...index.counted()].map((counted) => counted.snapshot),
            ),
          ).toBe(true)
          index.put(place(target, uid, one.demand))
        }
      }),
      { numRuns: 1500 },
    )
    expect(carriedOut).toBeGreaterThan(50)
  })

  it('moves what is in the way of CPUs, too, and nobody of a host that takes none', () => {
    const big = { ...exampleDemand, vcpus: 40 }
    const fleet = fleetOf(
      [exampleHost('a', { devices }), exampleHost('b'), exampleHost('c', { devices, state: 'cordoned' })],
      [{ host: 0, demand: big }],
    )
    expect(adviceFor(fleet, 4)).toMatchObject({
      ...{ kind: 'moves', hostId: 'a', movedGpus: 0, moves: [{ uid: 'i-0', gpus: 0, to: 'b' }] },
    })
    const alone = fleetOf([exampleHost('a', { devices })], [{ host: 0, demand: big }])
    expect(adviceFor(alone, 4)).toEqual({ kind: 'none', hostsConsidered: 1 })
  })

  it('tries another place for the first of them where the next finds none', () => {
    const two = { ...exampleDemand, gpus: [{ type: 'h100', count: 2 }] }
    const fast = [{ kind: 'in', key: 'disk', values: ['fast'] }] as const
    const labels = { disk: 'fast' }
    const pair = devices.slice(0, 2)
    const fleet = fleetOf(
      [
        exampleHost('a', { devices, labels }),
        // Filled before c is.
        exampleHost('b', { devices: pair, labels, vcpus: { capacity: 64, used: 20 } }),
        exampleHost('c', { devices: pair }),
      ],
      [
        { host: 0, demand: { ...two, vcpus: 12 } },
        { host: 0, demand: { ...two, vcpus: 4, hostLabels: fast } },
      ],
    )
    expect(adviceFor(fleet, 4)).toMatchObject({
      moves: [
        { uid: 'i-0', to: 'c' },
        { uid: 'i-1', to: 'b' },
      ],
    })
  })

  it('counts on devices that their guests have now', () => {
    const one = { ...exampleDemand, gpus: [{ type: 'h100', count: 1 }] }
    const { hosts, residents } = fleetOf(
      [exampleHost('a', { devices }), exampleHost('b', { devices: devicesOf('h100@0') })],
      [{ host: 0, demand: one }],
    )
    const inUse = hosts.map((host) => ({
      ...host,
      devices: host.devices.map((device) => ({
        ...device,
        ...(device.claimedBy === undefined ? {} : { state: 'IN_USE' as const }),
      })),
    }))
    expect(adviceFor({ hosts: inUse, residents }, 4)).toMatchObject({
      kind: 'moves',
      hostId: 'a',
      movedGpus: 1,
    })
  })
})

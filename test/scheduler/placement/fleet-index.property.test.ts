import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inCells } from '../../../scheduler/model/numa-cells.ts'
import type { Demand, HostSnapshot } from '../../../scheduler/model/placement.ts'
import type { Claim } from '../../../scheduler/placement/claim.ts'
import { type FleetIndex, indexOf } from '../../../scheduler/placement/index.ts'
import { cellWish, fitsOn, isAsAsked } from './oracle.ts'
import { hostNames, richDemands, richFleets, richHosts, rightNowMs } from './rich-fleets.ts'

type Event =
  | { readonly kind: 'put' | 'remove'; readonly host: HostSnapshot }
  | { readonly kind: 'claim'; readonly demand: Demand; readonly seed: string }
  | { readonly kind: 'release'; readonly turn: number }

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('put'), host: richHosts }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove'), host: richHosts }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('claim'), demand: richDemands, seed: fc.string() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release'), turn: fc.nat(20) }) },
)

interface Claimed {
  readonly hostId: HostSnapshot['hostId']
  readonly claim: Claim
}

function applyTo(index: FleetIndex, claims: Claimed[], one: Event): void {
  switch (one.kind) {
    case 'put':
    case 'remove': {
      // A host that is told anew has none of the claims that were made here.
      const others = claims.filter(({ hostId }) => hostId !== one.host.hostId)
      claims.splice(0, claims.length, ...others)
      if (one.kind === 'put') index.put(one.host)
      else index.remove(one.host.hostId)
      break
    }
    case 'claim': {
      const verdict = index.decide(one.demand, one.seed, rightNowMs)
      if (verdict === undefined) break
      const devices = verdict.devices.map(({ address }) => address)
      const uid = `claim-${claims.length}-${one.seed}`
      const demand = inCells(one.demand, verdict.cells)
      const claim = { uid, demand, devices, nowMs: rightNowMs }
      claims.push({ hostId: verdict.hostId, claim })
      index.claim(verdict.hostId, claim)
      break
    }
    case 'release': {
      const [gone] = claims.splice(one.turn % Math.max(1, claims.length), 1)
      if (gone) index.release(gone.hostId, gone.claim)
    }
  }
}

/** What was granted is free, and as asked. */
function expectGrantable(demand: Demand, host: HostSnapshot, index: FleetIndex, seed: string): void {
  const verdict = index.decide(demand, seed, rightNowMs)
  if (verdict === undefined) throw new Error('It has just been placed.')
  expect(new Set(verdict.devices.map(({ address }) => address)).size).toBe(verdict.devices.length)
  const granted = verdict.devices.map(({ type, address }) => {
    const device = host.devices.find((one) => one.address === address)
    if (device === undefined) throw new Error(`There is no ${address}.`)
    expect(device).toMatchObject({ acceleratorType: type, present: true })
    expect(device.claimedBy).toBeUndefined()
    return device
  })
  for (const wish of demand.gpus) {
    const own =
      demand.gpus.length === 1 ? granted : granted.filter((one) => one.acceleratorType === wish.type)
    expect(isAsAsked(own, host, wish)).toBe(true)
    const type = own[0]?.acceleratorType
    const ofType = host.devices.filter(({ acceleratorType }) => acceleratorType === type)
    expect(cellWish(demand, host, wish, ofType)(own)).toBe(true)
    expect([wish.type, ...(wish.alternatives ?? [])]).toContain(own[0]?.acceleratorType)
  }
}

describe('the index of a fleet', () => {
  it('places exactly where trying everything finds a way, with devices as near to one another as asked', () => {
    let placed = 0
    fc.assert(
      fc.property(richDemands, richFleets, fc.string(), (demand, hosts, seed) => {
        const index = indexOf(hosts)
        const verdict = index.place(demand, seed, rightNowMs)
        const able = hosts.filter((host) => fitsOn(demand, host, hosts))
        expect(verdict.kind === 'placed').toBe(able.length > 0)
        if (verdict.kind !== 'placed') {
          const refused = verdict.explanation.refusedBy?.reduce((sum, one) => sum + one.hosts, 0)
          expect(refused).toBe(hosts.filter(({ zone }) => zone === demand.zone).length)
          return
        }
        placed += 1
        const chosen = able.find(({ hostId }) => hostId === verdict.hostId)
        if (chosen === undefined) throw new Error(`${verdict.hostId} can't take it.`)
        expectGrantable(demand, chosen, index, seed)
      }),
      { numRuns: 4000 },
    )
    expect(placed).toBeGreaterThan(200)
  })

  it('refuses with a reason exactly where a host does not fit', () => {
    fc.assert(
      fc.property(richDemands, richFleets, (demand, hosts) => {
        const refused = indexOf(hosts).refusalsOf(demand)
        const unfit = hosts.filter((host) => !fitsOn(demand, host, hosts))
        expect(refused.map(({ hostId }) => hostId)).toEqual(unfit.map(({ hostId }) => hostId))
        for (const { message } of refused) expect(message).not.toMatch(/undefined|NaN/)
      }),
      { numRuns: 1000 },
    )
  })

  it('decides the same by the same seed, whatever came and went before', () => {
    fc.assert(
      fc.property(
        richFleets,
        fc.array(event, { maxLength: 30 }),
        fc.array(fc.tuple(richDemands, fc.string()), { minLength: 1, maxLength: 8 }),
        (hosts, events, questions) => {
          const index = indexOf(hosts)
          const claims: { hostId: HostSnapshot['hostId']; claim: Claim }[] = []
          for (const one of events) applyTo(index, claims, one)
          const rebuilt = indexOf(hostNames.flatMap((name) => index.host(name) ?? []))
          expect(rebuilt.size).toBe(index.size)
          for (const [demand, seed] of questions) {
            const verdict = index.decide(demand, seed, rightNowMs)
            expect(verdict).toEqual(rebuilt.decide(demand, seed, rightNowMs))
          }
        },
      ),
      { numRuns: 600 },
    )
  })

  it('is as it was once a claim is released', () => {
    fc.assert(
      fc.property(richDemands, richFleets, fc.string(), (demand, hosts, seed) => {
        const index = indexOf(hosts)
        const verdict = index.decide(demand, seed, rightNowMs)
        if (verdict === undefined) return
        const before = index.host(verdict.hostId)
        const devices = verdict.devices.map(({ address }) => address)
        const claim = { uid: 'u', demand: inCells(demand, verdict.cells), devices, nowMs: rightNowMs }
        index.claim(verdict.hostId, claim)
        for (const { address } of verdict.devices) {
          const device = index.host(verdict.hostId)?.devices.find((one) => one.address === address)
          expect(device?.claimedBy).toBe('u')
        }
        index.release(verdict.hostId, claim)
        expect(index.host(verdict.hostId)).toEqual(before)
        expect(index.decide(demand, seed, rightNowMs)).toEqual(verdict)
      }),
      { numRuns: 1000 },
    )
  })
})

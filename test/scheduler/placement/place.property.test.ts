import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Counter, Demand, HostSnapshot } from '../../../scheduler/model/placement.ts'
import { place } from '../../../scheduler/placement/index.ts'
import { demands, fleets } from './fleets.ts'

// Written apart from the rules, so that a mistake in one shows in the other.
const hasRoom = (counter: Counter, wanted: number) => counter.capacity - counter.used >= wanted

const freeOf = (host: HostSnapshot, type: string, project: string | undefined) =>
  host.devices
    .filter((one) => one.acceleratorType === type && one.present && !one.claimedBy)
    .filter((one) => !one.isAwaited && (!one.state || one.state === 'FREE'))
    .filter(
      (one) => host.unscrubbedDevices === 'reuse' || [undefined, project].includes(one.unscrubbedProject),
    )

const fitsNow = (demand: Demand, host: HostSnapshot): boolean =>
  host.zone === demand.zone &&
  host.architecture === demand.architecture &&
  host.state === 'ready' &&
  host.connected &&
  hasRoom(host.vcpus, demand.vcpus) &&
  hasRoom(host.memoryMib, demand.memoryMib) &&
  hasRoom(host.diskGb, demand.diskGb) &&
  demand.gpus.every(({ type, count }) => freeOf(host, type, demand.project).length >= count)

const fitsWhenEmpty = (demand: Demand, host: HostSnapshot): boolean =>
  fitsNow(demand, {
    ...{ ...host, state: 'ready', connected: true },
    vcpus: { ...host.vcpus, used: 0 },
    memoryMib: { ...host.memoryMib, used: 0 },
    diskGb: { ...host.diskGb, used: 0 },
    unscrubbedDevices: 'reuse',
    devices: host.devices.map(({ claimedBy: _, isAwaited: _awaited, ...device }) => ({
      ...{ ...device, present: true, state: 'FREE' },
    })),
  })

describe('place, over any fleet', () => {
  it('places exactly where some host fits, and says never exactly where none ever will', () => {
    fc.assert(
      fc.property(demands, fleets, fc.string(), (demand, hosts, seed) => {
        const verdict = place(demand, hosts, seed)
        const expected = hosts.some((host) => fitsNow(demand, host))
          ? 'placed'
          : hosts.some((host) => fitsWhenEmpty(demand, host))
            ? 'not-now'
            : 'never-fits'
        expect(verdict.kind).toBe(expected)
        if (verdict.kind !== 'placed') return
        const chosen = hosts.find(({ hostId }) => hostId === verdict.hostId)
        expect(chosen && fitsNow(demand, chosen)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('gives exactly the asked devices: free, present, each once', () => {
    fc.assert(
      fc.property(demands, fleets, fc.string(), (demand, hosts, seed) => {
        const verdict = place(demand, hosts, seed)
        if (verdict.kind !== 'placed') return
        const chosen = hosts.find(({ hostId }) => hostId === verdict.hostId)
        expect(new Set(verdict.devices.map(({ address }) => address)).size).toBe(verdict.devices.length)
        for (const { type, count } of demand.gpus) {
          const given = verdict.devices.filter((device) => device.type === type)
          const free = chosen ? freeOf(chosen, type, demand.project).map(({ address }) => address) : []
          expect(given).toHaveLength(count)
          expect(free).toEqual(expect.arrayContaining(given.map(({ address }) => address)))
        }
        expect(verdict.devices).toHaveLength(demand.gpus.reduce((sum, { count }) => sum + count, 0))
      }),
      { numRuns: 1000 },
    )
  })

  it('gives a reason for every host that does not fit, and for no other', () => {
    fc.assert(
      fc.property(demands, fleets, fc.string(), (demand, hosts, seed) => {
        const { explanation } = place(demand, hosts, seed)
        const unfit = hosts.filter((host) => !fitsNow(demand, host))
        expect(explanation.hostsConsidered).toBe(hosts.length)
        expect(explanation.refusals.map(({ hostId }) => hostId)).toEqual(unfit.map(({ hostId }) => hostId))
        for (const [index, refusal] of explanation.refusals.entries()) {
          const host = unfit[index]
          expect(refusal.couldEverFit).toBe(host !== undefined && fitsWhenEmpty(demand, host))
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('decides the same for the same seed, in whatever order the hosts come', () => {
    fc.assert(
      fc.property(demands, fleets, fc.string(), (demand, hosts, seed) => {
        const verdict = place(demand, hosts, seed)
        expect(place(demand, hosts, seed)).toEqual(verdict)
        const reversed = place(demand, hosts.toReversed(), seed)
        expect(reversed.kind).toBe(verdict.kind)
        if (verdict.kind !== 'placed' || reversed.kind !== 'placed') return
        expect(reversed.hostId).toBe(verdict.hostId)
        expect(reversed.devices).toEqual(verdict.devices)
      }),
    )
  })

  it('names no host to a tenant', () => {
    fc.assert(
      fc.property(demands, fleets, (demand, hosts) => {
        const verdict = place(demand, hosts, 'seed')
        if (verdict.kind !== 'placed') expect(verdict.message).not.toMatch(/host-\d/)
      }),
    )
  })
})

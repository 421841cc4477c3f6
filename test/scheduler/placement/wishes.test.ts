import { describe, expect, it } from 'vitest'
import type { Demand, HostSnapshot } from '../../../scheduler/model/placement.ts'
import { FleetIndex, place } from '../../../scheduler/placement/index.ts'
import { devicesOf, exampleDemand, exampleHost } from './fleets.ts'

const gpus = (count: number, wish: Partial<Demand['gpus'][number]> = {}): Demand => ({
  ...exampleDemand,
  gpus: [{ type: 'h100', count, ...wish }],
})

/** On a switch each two. */
const onSwitches = (text: string) =>
  devicesOf(text).map((device, index) => ({ ...device, switchId: `s${Math.floor(index / 2)}` }))

function refusalOf(demand: Demand, ...hosts: readonly HostSnapshot[]) {
  const verdict = place(demand, hosts, 'seed')
  const [refusal] = verdict.explanation.refusals
  return { kind: verdict.kind, rule: refusal?.rule, message: refusal?.message }
}

const indexesOn = (demand: Demand, host: HostSnapshot) => {
  const verdict = place(demand, [host], 'seed')
  if (verdict.kind !== 'placed') throw new Error(verdict.message)
  return verdict.devices.map(({ address }) => host.devices.findIndex((one) => one.address === address))
}

describe('GPUs near to one another', () => {
  const host = exampleHost('h', {
    devices: onSwitches('h100@0* h100@0 h100@0 h100@0 h100@1 h100@1 h100@1 h100@1*'),
  })

  it('are below one switch where asked, and where it can be without', () => {
    expect(indexesOn(gpus(2, { topology: 'same-switch' }), host)).toEqual([2, 3])
    expect(indexesOn(gpus(2), host)).toEqual([2, 3])
    expect(indexesOn(gpus(1), host)).toEqual([1])
  })

  it('are refused with how near it is', () => {
    expect(refusalOf(gpus(4, { topology: 'same-numa' }), host)).toEqual({
      kind: 'not-now',
      rule: 'gpu-topology',
      message: 'it has 3 h100 free on one NUMA node and 4 are needed',
    })
    expect(refusalOf(gpus(3, { topology: 'same-switch' }), host)).toMatchObject({
      kind: 'never-fits',
      message: 'it has 2 h100 free below one PCIe switch and 3 are needed',
    })
    expect(refusalOf(gpus(2, { topology: 'fabric' }), host)).toMatchObject({
      kind: 'never-fits',
      message: 'it has 0 h100 free joined by NVSwitches and 2 are needed',
    })
  })

  it('are not guessed where nobody knows the node', () => {
    const unknown = exampleHost('h', { devices: devicesOf('h100@-1 h100@-1') })
    expect(refusalOf(gpus(2, { topology: 'same-numa' }), unknown)).toMatchObject({ rule: 'gpu-topology' })
    expect(indexesOn(gpus(1, { topology: 'same-numa' }), unknown)).toHaveLength(1)
  })

  it('are of another type where that does as well', () => {
    const other = exampleHost('other', { devices: devicesOf('l40s@0 l40s@0') })
    const verdict = place(gpus(2, { alternatives: ['l40s'] }), [host, other], 'seed')
    expect(verdict).toMatchObject({ kind: 'placed', hostId: 'other' })
    expect(refusalOf(gpus(1, { type: 'a', alternatives: ['b'] }), other).message).toBe('it has no a or b')
  })
})

describe('a host for one alone', () => {
  const empty = exampleHost('empty')
  const alone: Demand = { ...exampleDemand, isolation: 'host' }

  it('is one where nobody is, and takes nobody afterwards', () => {
    const busy = exampleHost('busy', { vcpus: { capacity: 64, used: 1 } })
    expect(refusalOf(alone, busy)).toEqual({
      kind: 'not-now',
      rule: 'isolation',
      message: 'others are there, and the instance wants the host for itself',
    })
    const index = new FleetIndex()
    index.put(busy)
    index.put(empty)
    expect(index.decide(alone, 's')?.hostId).toBe('empty')
    const claim = { uid: 'u', demand: alone, devices: [] }
    index.claim(empty.hostId, claim)
    expect(index.decide(exampleDemand, 's')?.hostId).toBe('busy')
    index.remove(busy.hostId)
    expect(index.place(exampleDemand, 's')).toMatchObject({
      kind: 'not-now',
      message: expect.stringContaining('an instance has it for itself'),
    })
    index.release(empty.hostId, claim)
    expect(index.decide(exampleDemand, 's')?.hostId).toBe('empty')
  })
})

describe('labels of hosts', () => {
  const host = exampleHost('h', { labels: { rack: 'r1' } })
  const wanting = (...hostLabels: NonNullable<Demand['hostLabels']>) => ({ ...exampleDemand, hostLabels })

  it('say where to go and where not', () => {
    const others = [exampleHost('other', { labels: { rack: 'r2' } }), exampleHost('bare')]
    const on = (demand: Demand) => {
      const verdict = place(demand, [host, ...others], 'seed')
      return verdict.kind === 'placed' ? verdict.hostId : verdict.kind
    }
    expect(on(wanting({ kind: 'in', key: 'rack', values: ['r1'] }))).toBe('h')
    expect(
      on(wanting({ kind: 'not-in', key: 'rack', values: ['r1'] }, { kind: 'exists', key: 'rack' })),
    ).toBe('other')
    expect(on(wanting({ kind: 'absent', key: 'rack' }))).toBe('bare')
  })

  it('are refused with what is there instead', () => {
    const demand = wanting({ kind: 'in', key: 'rack', values: ['r2', 'r3'] }, { kind: 'exists', key: 'tier' })
    expect(refusalOf(demand, host)).toEqual({
      kind: 'never-fits',
      rule: 'labels',
      message: 'its label rack is r1, not r2 or r3, it has no label tier',
    })
  })
})

describe('instances that are to be together, or apart', () => {
  const index = () => {
    const fleet = new FleetIndex()
    for (const id of ['a', 'b', 'c']) fleet.put(exampleHost(id))
    return fleet
  }
  const settle = (fleet: FleetIndex, demand: Demand, uid: string) => {
    const verdict = fleet.place(demand, uid)
    if (verdict.kind !== 'placed') return verdict.message
    fleet.claim(verdict.hostId, { uid, demand, devices: [] })
    return verdict.hostId
  }

  it('are on one host: the first anywhere, the others beside it', () => {
    const fleet = index()
    const demand = { ...exampleDemand, groups: ['web'], affinity: ['web'] }
    const hosts = ['1', '2', '3', '4'].map((uid) => settle(fleet, demand, uid))
    expect(new Set(hosts).size).toBe(1)
    expect(settle(fleet, { ...exampleDemand, affinity: ['db'] }, '5')).toContain('no instance of db is there')
  })

  it('are each on a host of its own, as long as there is one', () => {
    const fleet = index()
    const demand = { ...exampleDemand, groups: ['web'], antiAffinity: ['web'] }
    const hosts = ['1', '2', '3'].map((uid) => settle(fleet, demand, uid))
    expect(hosts.toSorted()).toEqual(['a', 'b', 'c'])
    expect(settle(fleet, demand, '4')).toContain('instances of web are there')
  })
})

describe('hints of how long instances stay', () => {
  it('keep hosts emptying together', () => {
    const fleet = new FleetIndex()
    const until = (expectedEndMs: number) => [{ uid: 'u', expectedEndMs }]
    const devices = devicesOf('h100@0* h100@0 h100@0 h100@0')
    fleet.put(exampleHost('soon', { devices, occupants: until(600_000) }))
    fleet.put(exampleHost('late', { devices, occupants: until(36_000_000) }))
    const lasting = (expectedLifetimeS: number) => ({ ...gpus(1), expectedLifetimeS })
    expect(fleet.decide(lasting(36_000), 's', 0)?.hostId).toBe('late')
    expect(fleet.decide(lasting(300), 's', 0)?.hostId).toBe('soon')
  })

  it('are not over at once for those who outstay them', () => {
    const fleet = new FleetIndex()
    const nowMs = 72_000_000
    const devices = devicesOf('h100@0* h100@0 h100@0 h100@0')
    const until = (...ends: readonly number[]) =>
      ends.map((endMs, index) => ({ uid: `u${index}`, expectedEndMs: nowMs + endMs }))
    fleet.put(exampleHost('soon', { devices, occupants: until(600_000) }))
    fleet.put(exampleHost('outstayed', { devices, occupants: until(60_000, -36_000_000) }))
    for (const seed of ['1', '2', '3', '4']) {
      expect(fleet.decide({ ...gpus(1), expectedLifetimeS: 3600 }, seed, nowMs)?.hostId).toBe('outstayed')
      expect(fleet.decide({ ...gpus(1), expectedLifetimeS: 300 }, seed, nowMs)?.hostId).toBe('soon')
    }
  })

  it('bring those together that end at one time, where nobody is delayed', () => {
    const fleet = new FleetIndex()
    const devices = devicesOf('h100@0* h100@0* h100@0 h100@0')
    const until = (...hours: readonly number[]) =>
      hours.map((hour, index) => ({ uid: `u${index}`, expectedEndMs: hour * 3_600_000 }))
    fleet.put(exampleHost('apart', { devices, occupants: until(1, 10) }))
    fleet.put(exampleHost('alike', { devices, occupants: until(5, 10) }))
    for (const seed of ['1', '2', '3', '4']) {
      expect(fleet.decide({ ...gpus(1), expectedLifetimeS: 18_000 }, seed, 0)?.hostId).toBe('alike')
      expect(fleet.decide({ ...gpus(1), expectedLifetimeS: 3600 }, seed, 0)?.hostId).toBe('apart')
    }
  })
})

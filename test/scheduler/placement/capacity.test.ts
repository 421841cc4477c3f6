import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pciAddress } from '../../../proto/ids.ts'
import type { HostSnapshot } from '../../../scheduler/model/placement.ts'
import { CapacityCounter } from '../../../scheduler/placement/capacity.ts'
import { CountedHost } from '../../../scheduler/placement/counted-host.ts'
import { indexOf } from '../../../scheduler/placement/index.ts'
import { usualDemand } from '../../../scheduler/placement/usual-demand.ts'
import { devicesOf, exampleHost } from './fleets.ts'
import { richFleets, richHosts } from './rich-fleets.ts'

const count = (hosts: readonly HostSnapshot[]) => new CapacityCounter().count(indexOf(hosts).counted())
const eight = devicesOf('h100@0 h100@0 h100@0 h100@0 h100@1 h100@1 h100@1 h100@1')
const claimed = (devices: HostSnapshot['devices'], ...taken: number[]) =>
  devices.map((device, index) => (taken.includes(index) ? { ...device, claimedBy: 'a' } : device))

/** How many of the same, until none fits any more. */
function placeAll(host: HostSnapshot, type: string, gpus: number): number {
  const index = indexOf([host])
  const demand = usualDemand(new CountedHost(host), type, gpus)
  for (let placed = 0; ; placed += 1) {
    const verdict = index.decide(demand, 'seed')
    if (verdict === undefined) return placed
    const devices = verdict.devices.map(({ address }) => address)
    index.claim(verdict.hostId, { uid: `${placed}`, demand, devices })
  }
}

describe('the capacity of a fleet', () => {
  it('is what there is, what is free, and how many requests of each size would fit', () => {
    const hosts = [
      exampleHost('a', { devices: eight }),
      exampleHost('b', { devices: claimed(eight, 0, 1, 2) }),
      exampleHost('c', { devices: claimed(eight, 0), state: 'cordoned' }),
      exampleHost('d', { devices: eight, connected: false }),
      exampleHost('e', { devices: devicesOf('l40s@0') }),
      exampleHost('f'),
    ]
    expect(count(hosts)).toEqual([
      {
        ...{ zone: 'z1', type: 'h100', hosts: 4, readyHosts: 2, gpus: 32, claimed: 4, free: 13 },
        ...{ kept: 0, unavailable: 15, stranded: 0 },
        placeable: [
          { gpus: 8, requests: 1 },
          { gpus: 4, requests: 3 },
          { gpus: 2, requests: 6 },
          { gpus: 1, requests: 13 },
        ],
        largest: 8,
      },
      {
        ...{ zone: 'z1', type: 'l40s', hosts: 1, readyHosts: 1, gpus: 1, claimed: 0, free: 1 },
        ...{ kept: 0, unavailable: 0, stranded: 0 },
        ...{ placeable: [{ gpus: 1, requests: 1 }], largest: 1 },
      },
    ])
  })

  it('says what is kept for one project, and what nobody can get', () => {
    const devices = eight.map((device, index) => {
      if (index < 3) return { ...device, unscrubbedProject: 'p' }
      return index < 5 ? { ...device, state: 'QUARANTINED' as const } : device
    })
    const [seen] = count([exampleHost('a', { devices: claimed(devices, 7) })])
    expect(seen).toMatchObject({ gpus: 8, claimed: 1, free: 2, kept: 3, unavailable: 2 })
    const [reused] = count([exampleHost('a', { devices, unscrubbedDevices: 'reuse' })])
    expect(reused).toMatchObject({ gpus: 8, claimed: 0, free: 6, kept: 0, unavailable: 2 })
  })

  it('has GPUs stranded where others have taken the vCPUs or the memory that they need', () => {
    // 6 of 64 vCPUs for each GPU.
    const [short] = count([exampleHost('a', { devices: eight, vcpus: { capacity: 64, used: 47 } })])
    expect([short?.free, short?.stranded, short?.largest]).toEqual([8, 6, 2])
    const [none] = count([
      exampleHost('a', { devices: eight, memoryMib: { capacity: 65_536, used: 65_000 } }),
    ])
    expect([none?.free, none?.stranded, none?.largest]).toEqual([8, 8, 0])
  })

  it('goes by partitions where NVSwitches join GPUs', () => {
    const four = eight.slice(0, 4)
    const pair = (...indexes: number[]) => indexes.map((index) => pciAddress(four[index]?.address ?? ''))
    const partitions = [pair(0, 1, 2, 3), pair(0, 1), pair(2, 3)]
    const [joined] = count([exampleHost('a', { devices: claimed(four, 1), partitions })])
    expect(joined).toMatchObject({ free: 3, stranded: 1, largest: 2 })
    expect(joined?.placeable).toEqual([
      { gpus: 4, requests: 0 },
      { gpus: 2, requests: 1 },
      { gpus: 1, requests: 0 },
    ])
  })

  it('fits as many of a size as are placed one after the other', () => {
    fc.assert(
      fc.property(richHosts, (host) => {
        for (const { type, placeable, largest } of count([host])) {
          const placed = placeable.map(({ gpus }) => ({ gpus, requests: placeAll(host, type, gpus) }))
          expect(placeable).toEqual(placed)
          expect(largest).toBe(
            Math.max(0, ...placed.filter((one) => one.requests > 0).map(({ gpus }) => gpus)),
          )
        }
      }),
      { numRuns: 4000 },
    )
  })

  it('is the same for who has counted before', () => {
    fc.assert(
      fc.property(richFleets, fc.array(richHosts, { maxLength: 6 }), (hosts, changes) => {
        const index = indexOf(hosts)
        const counter = new CapacityCounter()
        counter.count(index.counted())
        for (const change of changes) {
          index.put(change)
          expect(counter.count(index.counted())).toEqual(new CapacityCounter().count(index.counted()))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('follows claims', () => {
    fc.assert(
      fc.property(richHosts, (host) => {
        const index = indexOf([host])
        const counter = new CapacityCounter()
        for (const { type } of counter.count(index.counted())) {
          const demand = usualDemand(new CountedHost(host), type, 1)
          const verdict = index.decide(demand, 'seed')
          if (verdict === undefined) continue
          const devices = verdict.devices.map(({ address }) => address)
          index.claim(verdict.hostId, { uid: 'one', demand, devices })
          expect(counter.count(index.counted())).toEqual(
            count([...index.counted()].map(({ snapshot }) => snapshot)),
          )
        }
      }),
      { numRuns: 500 },
    )
  })
})

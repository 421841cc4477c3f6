import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hostId } from '../../../proto/ids.ts'
import type { Demand } from '../../../scheduler/model/placement.ts'
import { exampleDemand, exampleHost } from '../placement/fleets.ts'
import { openModelRegion, settled } from './model-region.ts'

const eight = { capacity: 8, used: 0 }
const cpus = (vcpus: number): Demand => ({ ...exampleDemand, vcpus, memoryMib: 1, diskGb: 0 })
const regionOf = (count: number) =>
  openModelRegion(Array.from({ length: count }, (_, index) => exampleHost(`host-${index}`, { vcpus: eight })))
const minuteMs = 60_000

describe('those who wait', () => {
  it('are placed as soon as there is room, without a tick, each project in turn', async () => {
    const region = await regionOf(1)
    region.tryCreate('there', cpus(8))
    for (const id of ['a1', 'a2', 'a3']) region.add(id, cpus(4), { project: 'a' })
    region.add('b1', cpus(4), { project: 'b' })
    await settled()
    expect(region.placedAt.size).toBe(1)
    region.remove('there')
    await settled()
    expect([...region.placedAt.keys()]).toEqual(['a1', 'b1'])
    region.remove('b1')
    await settled()
    expect([...region.placedAt.keys()]).toEqual(['a1', 'a2'])
    await region.close()
  })

  it('ask nothing of the store while what comes free is too little for each of them', async () => {
    const region = await regionOf(2)
    for (let index = 0; index < 16; index += 1) region.tryCreate(`one-${index}`, cpus(1))
    for (let index = 0; index < 50; index += 1) region.add(`two-${index}`, cpus(2))
    region.remove('one-0')
    await settled()
    expect(region.looks.places).toBe(0)
    const { hostId: there } = region.placedAt.get('one-1') ?? {}
    const mate = [...region.placedAt].find(([uid, { hostId }]) => uid !== 'one-1' && hostId === there)?.[0]
    region.remove('one-1')
    if (mate !== undefined) region.remove(mate)
    await settled()
    expect(region.looks.places).toBe(1)
    await region.close()
  })

  it('take a host that is new, or that is there again', async () => {
    const region = await regionOf(1)
    region.tryCreate('there', cpus(8))
    region.add('waits', cpus(8))
    region.change(exampleHost('host-new', { vcpus: eight }))
    await settled()
    expect(region.placedAt.get('waits')?.hostId).toBe('host-new')
    await region.close()
  })

  it('are still there after a restart, in their order', async () => {
    const region = await regionOf(1)
    region.tryCreate('there', cpus(8))
    region.add('a', cpus(8))
    await region.advance(1000)
    region.add('b', cpus(8), { project: 'p2' })
    await region.restart()
    region.remove('there')
    await settled()
    expect([...region.placedAt.keys()]).toEqual(['a'])
    await region.close()
  })

  it('give up when their time is over, and are out of the way when they are deleted', async () => {
    const region = await regionOf(1)
    region.tryCreate('there', cpus(8))
    region.add('short', cpus(8), { untilMs: 15_000 })
    region.add('deleted', cpus(8))
    region.add('long', cpus(8))
    region.forget('deleted')
    await region.advance(20_000)
    expect([...region.failed]).toEqual([['short', 'CAPACITY_WAIT_OVER']])
    region.remove('there')
    await settled()
    expect([...region.placedAt.keys()]).toEqual(['long'])
    await region.close()
  })

  it('are told their place, and the first what is lacking and what is kept', async () => {
    const region = await regionOf(1)
    region.tryCreate('there', cpus(7))
    for (const id of ['a', 'b']) region.add(id, cpus(8))
    await region.advance(10_000)
    expect(region.sentences.get('a')).toContain('place 1 of 2 for hosts in zone z1')
    expect(region.sentences.get('a')).toContain('it has 1 of 8 vCPUs free and 8 are needed')
    expect(region.sentences.get('b')).toMatch(/place 2 of 2 for hosts in zone z1, until \S+ at most\.$/)
    await region.advance(6 * minuteMs)
    expect(region.sentences.get('a')).toContain('What comes free on one host is kept for it.')
    await region.close()
  })

  it('get a host kept for them after a while, which nobody else comes to then', async () => {
    const region = await regionOf(2)
    for (let index = 0; index < 16; index += 1) region.tryCreate(`one-${index}`, cpus(1))
    region.add('large', cpus(8))
    await region.advance(4 * minuteMs)
    region.remove('one-0')
    expect(region.tryCreate('early', cpus(1))).toBeDefined()
    await region.advance(2 * minuteMs)
    const kept = [0, 1].map((index) => hostId(`host-${index}`)).filter((id) => region.fleet.host(id)?.keptFor)
    expect(kept).toHaveLength(1)
    for (const [uid, { hostId: there }] of [...region.placedAt]) if (there === kept[0]) region.remove(uid)
    await settled()
    expect(region.placedAt.get('large')?.hostId).toBe(kept[0])
    expect(region.fleet.snapshot().filter(({ keptFor }) => keptFor !== undefined)).toEqual([])
    await region.close()
  })

  it('never wait for ever, however large they are and however many small ones come', async () => {
    const runs = fc.record({
      hosts: fc.integer({ min: 1, max: 4 }),
      /** In minutes: how long each of the small ones stays, in turn. */
      lifetimes: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }),
      sizes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 5 }),
      doWait: fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }),
      large: fc.integer({ min: 6, max: 8 }),
    })
    await fc.assert(
      fc.asyncProperty(runs, async ({ hosts, lifetimes, sizes, doWait, large }) => {
        const region = await regionOf(hosts)
        const ends = new Map<string, number>()
        const at = <Item>(items: readonly Item[], index: number) => items[index % items.length] as Item
        let made = 0
        let largeAtMs: number | undefined
        const minutes = 60 * 12
        for (let minute = 0; minute < minutes && !region.placedAt.has('large'); minute += 1) {
          // As many as there may be room for: whatever comes free is wanted at once.
          for (let index = 0; index < 3 * hosts; index += 1) {
            made += 1
            const [uid, demand] = [`small-${made}`, cpus(at(sizes, made))]
            if (at(doWait, made) && region.waiting.size < 20)
              region.add(uid, demand, { project: `p${made % 3}` })
            else region.tryCreate(uid, demand)
          }
          if (minute === 10) {
            largeAtMs = region.clock.nowMs()
            region.add('large', cpus(large), { project: 'patient' })
          }
          await region.advance(minuteMs)
          for (const uid of [...region.placedAt.keys()]) {
            if (uid === 'large') continue
            const end = ends.get(uid) ?? minute + at(lifetimes, Number(uid.slice(6)))
            ends.set(uid, end)
            if (end <= minute) region.remove(uid)
          }
          await settled()
        }
        const placedAtMs = region.placedAt.get('large')?.atMs
        expect(placedAtMs).toBeDefined()
        // A few go before it, each project has its turn; then a host is kept, where nobody stays for more than 40 minutes.
        expect((placedAtMs ?? 0) - (largeAtMs ?? 0)).toBeLessThanOrEqual(240 * minuteMs)
        await region.close()
      }),
      { numRuns: 25 },
    )
  }, 120_000)
})

import { describe, expect, it } from 'vitest'
import { type Random, seededRandom } from '../../../lib/random.ts'
import { zoneId } from '../../../proto/ids.ts'
import type { Demand, HostSnapshot } from '../../../scheduler/model/placement.ts'
import type { Claim } from '../../../scheduler/placement/claim.ts'
import { CountedHost } from '../../../scheduler/placement/counted-host.ts'
import { type FleetIndex, indexOf } from '../../../scheduler/placement/index.ts'
import { fits } from '../../../scheduler/placement/pipeline.ts'
import { devicesOf, exampleHost } from './fleets.ts'

// Large enough for trees with branches, cells that are searched in part, and needs that are known to be in vain.
const hostCount = 600

const drawn = <Item>(random: Random, ...items: readonly Item[]): Item =>
  items[Math.floor(random.fraction() * items.length)] as Item

const hostAt = (random: Random, number: number): HostSnapshot =>
  exampleHost(`host-${number}`, {
    vcpus: { capacity: drawn(random, 16, 32, 32), used: 0 },
    memoryMib: { capacity: drawn(random, 64, 64, 128), used: 0 },
    diskGb: { capacity: 100_000, used: 0 },
    devices: drawn(random, [], devicesOf('h100@0 h100@0 h100@1 h100@1')),
  })

const demandAt = (random: Random): Demand => ({
  ...{ zone: zoneId('z1'), architecture: 'x86_64', diskGb: 1 },
  vcpus: drawn(random, 1, 2, 6, 11),
  memoryMib: drawn(random, 1, 4, 21, 40),
  gpus: drawn(random, [], [{ type: 'h100', count: drawn(random, 1, 2, 4) }]),
})

interface Placed {
  readonly hostId: HostSnapshot['hostId']
  readonly claim: Claim
}

function claimOne(index: FleetIndex, placed: Placed[], demand: Demand, uid: string): void {
  const verdict = index.decide(demand, uid)
  if (verdict === undefined) return
  const claim = { uid, demand, devices: verdict.devices.map(({ address }) => address) }
  index.claim(verdict.hostId, claim)
  placed.push({ hostId: verdict.hostId, claim })
}

function releaseOne(index: FleetIndex, placed: Placed[], random: Random): void {
  const at = Math.floor(random.fraction() * placed.length)
  const [gone] = placed.splice(at, 1)
  if (gone) index.release(gone.hostId, gone.claim)
}

describe('the index of a fleet of hundreds', () => {
  it('finds a place exactly where there is one, and the same one as an index that is new', () => {
    const random = seededRandom('large fleet')
    const hosts = Array.from({ length: hostCount }, (_, number) => hostAt(random, number))
    const index = indexOf(hosts)
    const placed: Placed[] = []
    let refused = 0
    for (let turn = 0; turn < 4000; turn += 1) {
      if (turn > 2700 && random.fraction() < 0.5) releaseOne(index, placed, random)
      else claimOne(index, placed, demandAt(random), `instance-${turn}`)
      if (turn % 500 !== 499) continue
      const now = hosts.flatMap(({ hostId }) => index.host(hostId) ?? [])
      const rebuilt = indexOf(now)
      const counted = now.map((host) => new CountedHost(host))
      for (let question = 0; question < 20; question += 1) {
        const demand = demandAt(random)
        const verdict = index.decide(demand, `question-${question}`)
        expect(verdict).toEqual(rebuilt.decide(demand, `question-${question}`))
        expect(verdict !== undefined).toBe(counted.some((host) => fits(demand, host)))
        if (verdict === undefined) refused += 1
      }
    }
    expect(placed.length).toBeGreaterThan(500)
    expect(refused).toBeGreaterThan(20)
  })
})

// The count that is kept with a placement, whatever came and went before: what asking each host comes to.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Demand, HostSnapshot } from '../../../scheduler/model/placement.ts'
import { FleetIndex, indexOf, placeExplained } from '../../../scheduler/placement/index.ts'
import { exampleDemand, exampleHost } from './fleets.ts'
import { richDemands, richFleets } from './rich-fleets.ts'

type Step =
  | { readonly kind: 'claim' | 'remove' | 'ask' | 'toggle'; readonly at: number; readonly demand: Demand }
  | { readonly kind: 'put'; readonly at: number; readonly demand: Demand; readonly host: HostSnapshot }

const positions = fc.integer({ min: 0, max: 7 })

const steps = (demands: readonly Demand[], hosts: readonly HostSnapshot[]): fc.Arbitrary<readonly Step[]> => {
  const demand = fc.constantFrom(...demands)
  return fc.array(
    fc.oneof(
      fc.record({ kind: fc.constantFrom('claim', 'remove', 'ask', 'ask', 'toggle'), at: positions, demand }),
      fc.record({ kind: fc.constant('put'), at: positions, demand, host: fc.constantFrom(...hosts) }),
    ),
    { maxLength: 20 },
  )
}

const cases = fc
  .tuple(fc.array(richDemands, { minLength: 1, maxLength: 3 }), richFleets, richFleets)
  .filter(([, before, after]) => before.length > 0 && after.length > 0)
  .chain(([demands, before, after]) =>
    fc.record({ demands: fc.constant(demands), before: fc.constant(before), steps: steps(demands, after) }),
  )

it('is what a count from the beginning comes to, after any changes', () => {
  let asked = 0
  fc.assert(
    fc.property(cases, ({ before, steps: taken }) => {
      const index = new FleetIndex()
      const isSilent = new Set<string>()
      const put = (host: HostSnapshot) =>
        index.put({
          ...host,
          get connected() {
            return host.connected && !isSilent.has(host.hostId)
          },
        })
      for (const host of before) put(host)
      for (const [turn, step] of taken.entries()) {
        const { demand } = step
        const host = before[step.at]
        if (step.kind === 'put') put(step.host)
        else if (host !== undefined && step.kind === 'remove') index.remove(host.hostId)
        else if (host !== undefined && step.kind === 'toggle') {
          if (!isSilent.delete(host.hostId)) isSilent.add(host.hostId)
          index.noteConnectedness(host.hostId)
        } else {
          const { refusedBy, hostsFit } =
            index.standing(demand) ?? expect.fail('few hosts are counted at once')
          const anew = indexOf(Array.from(index.counted(), ({ snapshot }) => snapshot))
          expect(refusedBy).toEqual(anew.tally(demand).refusedBy)
          const inZone = [...anew.counted()].filter((one) => one.host.zone === demand.zone).length
          expect(hostsFit).toBe(refusedBy.reduce((left, { hosts }) => left - hosts, inZone))
          asked += 1
          const placed = index.decide(demand, `seed-${turn}`)
          if (step.kind !== 'claim' || placed === undefined) continue
          const devices = placed.devices.map(({ address }) => address)
          index.claim(placed.hostId, { uid: `uid-${turn}`, demand, devices })
        }
      }
    }),
    { numRuns: 1000 },
  )
  expect(asked).toBeGreaterThan(1000)
})

it('is in every plan, however large the fleet', () => {
  const hosts = Array.from({ length: 1000 }, (_, at) =>
    exampleHost(`host-${at}`, { vcpus: { capacity: 8, used: at % 2 === 0 ? 8 : 0 } }),
  )
  const { explanation } = placeExplained(indexOf(hosts), exampleDemand, 'seed', { isHostByHost: false })
  expect(explanation).toMatchObject({ refusedBy: [{ rule: 'vcpus', hosts: 500 }], hostsFit: 500 })
})

it('asks a large fleet by and by, and is right once it is told, and after changes', () => {
  const host = (at: number, used = 0) => exampleHost(`host-${at}`, { vcpus: { capacity: 8, used } })
  const index = indexOf(Array.from({ length: 1000 }, (_, at) => host(at, at % 3 === 0 ? 8 : 0)))
  const demand = { ...exampleDemand, vcpus: 2 }
  const refused = (hosts: number) => ({ refusedBy: [{ rule: 'vcpus', hosts }], hostsFit: 1000 - hosts })
  const standings = Array.from({ length: 5 }, () => index.standing(demand))
  expect(standings).toEqual([undefined, undefined, undefined, refused(334), refused(334)])
  for (let at = 0; at < 300; at += 3) index.put(host(at))
  expect(index.standing(demand)).toEqual(refused(234))
  // What is claimed while it is behind is not lost.
  for (let at = 0; at < 600; at += 1) index.put(host(at, 8))
  expect(index.standing(demand)).toBeUndefined()
  index.put(host(0))
  expect([index.standing(demand), index.standing(demand)].at(-1)).toEqual(
    refused(index.tally(demand).refusedBy[0]?.hosts ?? 0),
  )
})

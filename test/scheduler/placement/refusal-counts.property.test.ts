// The count that is kept with a placement, whatever came and went before: what asking each host comes to.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Demand, HostSnapshot } from '../../../scheduler/model/placement.ts'
import { FleetIndex, indexOf } from '../../../scheduler/placement/index.ts'
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
          const { refusedBy, hostsFit } = index.standing(demand)
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

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Demand, type HostSnapshot, placementRules } from '../../../scheduler/model/placement.ts'
import { CountedHost } from '../../../scheduler/placement/counted-host.ts'
import { indexOf } from '../../../scheduler/placement/index.ts'
import { findMiss, isNearer, type Miss, refusalOf } from '../../../scheduler/placement/pipeline.ts'
import { richDemands, richFleets } from './rich-fleets.ts'

const missesOf = (demand: Demand, hosts: readonly HostSnapshot[]) =>
  hosts
    .filter(({ zone }) => zone === demand.zone)
    .flatMap((host) => findMiss(demand, new CountedHost(host)) ?? [])

describe('the count of refusals', () => {
  it('is what asking each host comes to, and so is the nearest of them', () => {
    let counted = 0
    fc.assert(
      fc.property(richDemands, richFleets, ({ groups: _, ...demand }, hosts) => {
        // Without groups of its own, so that nobody is the first of one.
        const index = indexOf(hosts)
        const { refusedBy, nearest } = index.tally(demand)
        const refusals = index.refusalsOf(demand).filter(({ rule }) => rule !== 'zone')
        const expected = placementRules
          .map((rule) => ({ rule, hosts: refusals.filter((refusal) => refusal.rule === rule).length }))
          .filter((one) => one.hosts > 0)
        expect(refusedBy).toEqual(expected)
        counted += refusedBy.length
        const best = missesOf(demand, hosts).reduce<Miss | undefined>(
          (found, miss) => (found === undefined || isNearer(miss, found) ? miss : found),
          undefined,
        )
        const told = (miss: Miss | undefined) => miss && { ...refusalOf(miss), hostId: '' }
        expect(told(nearest)).toEqual(told(best))
      }),
      { numRuns: 2000 },
    )
    expect(counted).toBeGreaterThan(2000)
  })
})

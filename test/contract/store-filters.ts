import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Comparison, Filter } from '../../scheduler/model/filter.ts'
import { matchesFilter } from '../../scheduler/operations/match-filter.ts'
import type { OpenStore } from './store-opening.ts'
import { hostOf, makeZones, placementOf, project } from './store-values.ts'

const words = fc.constantFrom('a', 'ab', 'b', 'ml', 'a*', '*', 'RUNNING', 'PROVISIONING', 'web-1', 'web-*')
const leaf: fc.Arbitrary<Filter> = fc.oneof(
  fc.record({
    kind: fc.constant('compare' as const),
    field: fc.oneof(
      fc.record({
        kind: fc.constant('text' as const),
        name: fc.constantFrom('id', 'status', 'type', 'hostname', 'displayName'),
      }),
      fc.record({ kind: fc.constant('label' as const), key: fc.constantFrom('team', 'tier') }),
    ),
    by: fc.constantFrom<Comparison>('=', '!='),
    value: words,
  }),
  fc.record({
    kind: fc.constant('compare' as const),
    field: fc.record({ kind: fc.constant('time' as const), name: fc.constantFrom('createdAt', 'updatedAt') }),
    by: fc.constantFrom<Comparison>('=', '!=', '<', '<=', '>', '>='),
    value: fc.integer({ min: 1998, max: 2004 }).map(String),
  }),
  fc.record({
    kind: fc.constant('has' as const),
    field: fc.record({ kind: fc.constant('label' as const), key: fc.constantFrom('team', 'tier') }),
  }),
)
const filters = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      parts: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('not' as const), part: tie('filter') }),
  ),
})).filter

const labels = [{}, { team: 'ml' }, { team: 'a', tier: 'ab' }, { tier: 'b' }]

/** Who watches is told of the instances that a list would show. */
export function describeFilterContract(name: string, open: OpenStore): void {
  describe(`${name}: filters`, () => {
    it('find in the store what they match in memory', async () => {
      const store = await open()
      await makeZones(store)
      await store.registerHost(hostOf())
      for (const [index, some] of labels.entries()) {
        const placement = placementOf(index + 1, { nowMs: 2000 + index })
        const details = {
          ...placement.details,
          labels: some,
          ...(index === 2 ? { displayName: 'ab' } : {}),
        }
        expect((await store.commitPlacement({ ...placement, details })).kind).toBe('committed')
      }
      const all = await store.listInstances({ project, limit: 50 })
      await fc.assert(
        fc.asyncProperty(filters, async (filter) => {
          const found = await store.listInstances({ project, limit: 50, filter })
          const matching = all.filter((one) => matchesFilter(one, filter))
          expect(found.map(({ id }) => id)).toEqual(matching.map(({ id }) => id))
        }),
      )
      await store.close()
    })
  })
}

import type { Demand } from '../../model/placement.ts'
import type { HostTraits } from '../counted-host.ts'
import { lacksForGood, type Rule } from '../rule.ts'

/** What a host's kernel can't do, no waiting changes. */
export const features: Rule = {
  name: 'features',
  holds: (demand, { host }) => demand.features === undefined || lackingOf(demand, host).length === 0,
  explain: (demand, { host }) => lacksForGood(() => `it lacks ${lackingOf(demand, host).join(', ')}`),
}

const lackingOf = (demand: Demand, host: HostTraits) =>
  (demand.features ?? []).filter((feature) => !host.features?.includes(feature))

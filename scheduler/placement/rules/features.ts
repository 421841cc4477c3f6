import { fits, type Rule } from '../rule.ts'

/** What a host's kernel can't do, no waiting changes. */
export const features: Rule = {
  name: 'features',
  check: (demand, host) => {
    const lacking = (demand.features ?? []).filter((feature) => !host.features?.includes(feature))
    return lacking.length === 0
      ? fits
      : { kind: 'refused', message: `it lacks ${lacking.join(', ')}`, couldEverFit: false, shortfall: 1 }
  },
}

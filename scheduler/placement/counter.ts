import type { Counter } from '../model/placement.ts'
import { fits, type RuleOutcome } from './rule.ts'

/** The same predicate as the store's conditional update. */
export function checkCounter(wanted: number, counter: Counter, unit: string): RuleOutcome {
  const free = counter.capacity - counter.used
  if (wanted <= free) return fits
  return {
    kind: 'refused',
    message: `it has ${free} of ${counter.capacity} ${unit} free and ${wanted} are needed`,
    couldEverFit: wanted <= counter.capacity,
    shortfall: (wanted - free) / wanted,
  }
}

import type { Demand, PlacementRule } from '../model/placement.ts'
import type { CountedHost } from './counted-host.ts'

/** Why a rule does not hold. */
export interface Lack {
  /** How far off, as a sentence: most lacks are only counted. */
  describe(): string
  /** It would hold if the host were empty and ready. */
  readonly couldEverFit: boolean
  /** The share of the need that is lacking, above 0 up to 1; 1 where nothing of it is there. */
  readonly shortfall: number
}

/** One hard rule: pure, about one host. */
export interface Rule {
  readonly name: PlacementRule
  /** Asked of every candidate. */
  holds(demand: Demand, host: CountedHost): boolean
  /** Asked where it does not hold, by those who want to know. */
  explain(demand: Demand, host: CountedHost): Lack
}

/** What nothing on this host will change. */
export const lacksForGood = (describe: () => string, shortfall = 1): Lack => ({
  describe,
  couldEverFit: false,
  shortfall,
})

export const lacksNow = (describe: () => string, shortfall = 1): Lack => ({
  describe,
  couldEverFit: true,
  shortfall,
})

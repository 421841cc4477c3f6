import type { Demand, HostSnapshot, PlacementRule } from '../model/placement.ts'

export type RuleOutcome =
  | { readonly kind: 'fits' }
  | {
      readonly kind: 'refused'
      /** How far off, as a sentence. */
      readonly message: string
      /** It would hold if the host were empty and ready. */
      readonly couldEverFit: boolean
      /** The share of the need that is lacking, above 0 up to 1; 1 where nothing of it is there. */
      readonly shortfall: number
    }

/** One hard rule: pure, about one host. */
export interface Rule {
  readonly name: PlacementRule
  check(demand: Demand, host: HostSnapshot): RuleOutcome
}

export const fits: RuleOutcome = { kind: 'fits' }

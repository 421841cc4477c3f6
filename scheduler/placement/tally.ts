import { type Demand, type PlacementRule, placementRules, type RuleCount } from '../model/placement.ts'
import type { CountedHost } from './counted-host.ts'
import { findMiss, isNearer, type Miss } from './pipeline.ts'
import { commonRules, type Pool } from './pool.ts'

/** Of a host, the pools that it is in. */
export interface Pooled {
  readonly counted: CountedHost
  readonly pools: readonly Pool[]
}

/** How many hosts each rule refuses, without a word of any but the nearest. Hosts of other zones don't count. */
export interface Tally {
  readonly refusedBy: readonly RuleCount[]
  readonly nearest: Miss | undefined
}

/**
 * Of hosts that are alike in what refuses all of them, one is asked; each of the others by itself, and only for what can be
 * counted.
 */
export function tallyRefusals(demand: Demand, hosts: Iterable<Pooled>): Tally {
  const counts = new Map<PlacementRule, number>()
  const refused = new Map<Pool, PlacementRule>()
  let nearest: Miss | undefined
  for (const { counted, pools } of hosts) {
    if (counted.host.zone !== demand.zone) continue
    const pool = pools[0]
    const known = pool && refused.get(pool)
    const miss = known === undefined ? findMiss(demand, counted) : undefined
    const rule = known ?? miss?.rule
    if (rule !== undefined) counts.set(rule, (counts.get(rule) ?? 0) + 1)
    if (miss === undefined) continue
    if (nearest === undefined || isNearer(miss, nearest)) nearest = miss
    if (pool !== undefined && isOfPool(demand, miss.rule)) refused.set(pool, miss.rule)
  }
  return { refusedBy: inOrder(counts), nearest }
}

/** What the rule is about, and what was asked before it, is the same for all of a pool. */
function isOfPool({ volumes, hostLabels, gpus }: Demand, rule: PlacementRule): boolean {
  if (volumes?.hostId !== undefined) return false
  if (rule === 'gpu-model') return hostLabels === undefined && gpus.length === 1
  return commonRules.some(({ name }) => name === rule)
}

const inOrder = (counts: ReadonlyMap<PlacementRule, number>): readonly RuleCount[] =>
  placementRules.flatMap((rule) => {
    const hosts = counts.get(rule)
    return hosts === undefined ? [] : { rule, hosts }
  })

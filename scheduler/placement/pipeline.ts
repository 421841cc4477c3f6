import type { Demand, HostRefusal } from '../model/placement.ts'
import type { CountedHost } from './counted-host.ts'
import type { Rule } from './rule.ts'
import { affinity } from './rules/affinity.ts'
import { antiAffinity } from './rules/anti-affinity.ts'
import { architecture } from './rules/architecture.ts'
import { disk } from './rules/disk.ts'
import { diskHost } from './rules/disk-host.ts'
import { features } from './rules/features.ts'
import { gpuCount } from './rules/gpu-count.ts'
import { gpuModel } from './rules/gpu-model.ts'
import { gpuTopology } from './rules/gpu-topology.ts'
import { hostReady } from './rules/host-ready.ts'
import { isolation } from './rules/isolation.ts'
import { kept } from './rules/kept.ts'
import { labels } from './rules/labels.ts'
import { memory } from './rules/memory.ts'
import { uplink } from './rules/uplink.ts'
import { vcpus } from './rules/vcpus.ts'
import { zone } from './rules/zone.ts'

/** What no wish can change comes first: its refusal is the truer reason. */
const rules: readonly Rule[] = [
  zone,
  diskHost,
  architecture,
  features,
  uplink,
  labels,
  gpuModel,
  hostReady,
  isolation,
  affinity,
  antiAffinity,
  vcpus,
  memory,
  disk,
  gpuCount,
  gpuTopology,
  kept,
]

export interface Miss {
  readonly refusal: HostRefusal
  /** How near the host came: rules that held before the first that did not, then what that one lacked. */
  readonly rulesHeld: number
  readonly shortfall: number
}

/** Whether the host can take it now. */
export function fits(demand: Demand, host: CountedHost): boolean {
  for (const rule of rules) if (!rule.holds(demand, host)) return false
  return true
}

/** The first rule that refuses the host; whether it could ever fit is asked of all rules. */
export function findMiss(demand: Demand, host: CountedHost): Miss | undefined {
  let first: Miss | undefined
  for (const [index, rule] of rules.entries()) {
    if (rule.holds(demand, host)) continue
    const { message, couldEverFit, shortfall } = rule.explain(demand, host)
    first ??= {
      refusal: { hostId: host.host.hostId, rule: rule.name, message, couldEverFit: true },
      rulesHeld: index,
      shortfall,
    }
    if (!couldEverFit) return { ...first, refusal: { ...first.refusal, couldEverFit: false } }
  }
  return first
}

/** A host that could take it later is nearer than one that never can. Hosts of other zones are no near miss. */
export function findNearestMiss(misses: readonly Miss[]): Miss | undefined {
  let nearest: Miss | undefined
  for (const miss of misses) {
    if (miss.refusal.rule === 'zone') continue
    if (nearest === undefined || byNearness(miss, nearest) < 0) nearest = miss
  }
  return nearest
}

export const byNearness = (a: Miss, b: Miss) =>
  Number(b.refusal.couldEverFit) - Number(a.refusal.couldEverFit) ||
  b.rulesHeld - a.rulesHeld ||
  a.shortfall - b.shortfall

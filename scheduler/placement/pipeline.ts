import type { Demand, HostRefusal, PlacementRule } from '../model/placement.ts'
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
import { numaCell } from './rules/numa-cell.ts'
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
  numaCell,
  kept,
]

/** Why a host does not fit. */
export interface Miss {
  readonly host: CountedHost
  /** The first that never will hold there, and where there is none, the first that doesn't. */
  readonly rule: PlacementRule
  /** How near the host came: rules that held before the first that did not, then what that one lacked. */
  readonly rulesHeld: number
  readonly shortfall: number
  /** Of all rules. */
  readonly couldEverFit: boolean
  describe(): string
}

/** Whether the host can take it now. */
export function fits(demand: Demand, host: CountedHost): boolean {
  for (const rule of rules) if (!rule.holds(demand, host)) return false
  return true
}

export function findMiss(demand: Demand, host: CountedHost): Miss | undefined {
  let first: Miss | undefined
  for (let index = 0; index < rules.length; index += 1) {
    const rule = rules[index] as Rule
    if (rule.holds(demand, host)) continue
    const lack = rule.explain(demand, host)
    if (!lack.couldEverFit) return { ...lack, host, rule: rule.name, rulesHeld: index }
    first ??= { ...lack, host, rule: rule.name, rulesHeld: index }
  }
  return first
}

export const refusalOf = ({ host, rule, couldEverFit, describe }: Miss): HostRefusal => ({
  hostId: host.host.hostId,
  ...{ rule, message: describe(), couldEverFit },
})

/** Whether a host came nearer: one that could take it later does before one that never can, equals by their names. */
export function isNearer(a: Miss, b: Miss): boolean {
  if (a.couldEverFit !== b.couldEverFit) return a.couldEverFit
  if (a.rulesHeld !== b.rulesHeld) return a.rulesHeld > b.rulesHeld
  if (a.shortfall !== b.shortfall) return a.shortfall < b.shortfall
  return a.host.host.hostId < b.host.host.hostId
}

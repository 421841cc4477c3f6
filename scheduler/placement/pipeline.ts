import type { Demand, HostRefusal, HostSnapshot } from '../model/placement.ts'
import type { Rule } from './rule.ts'
import { architecture } from './rules/architecture.ts'
import { disk } from './rules/disk.ts'
import { diskHost } from './rules/disk-host.ts'
import { features } from './rules/features.ts'
import { gpuCount } from './rules/gpu-count.ts'
import { gpuModel } from './rules/gpu-model.ts'
import { hostReady } from './rules/host-ready.ts'
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
  gpuModel,
  hostReady,
  vcpus,
  memory,
  disk,
  gpuCount,
]

export interface Miss {
  readonly refusal: HostRefusal
  /** How near the host came: rules that held before the first that did not, then what that one lacked. */
  readonly rulesHeld: number
  readonly shortfall: number
}

/** The first rule that refuses the host; whether it could ever fit is asked of all rules. */
export function findMiss(demand: Demand, host: HostSnapshot): Miss | undefined {
  let first: Miss | undefined
  for (const [index, rule] of rules.entries()) {
    const outcome = rule.check(demand, host)
    if (outcome.kind === 'fits') continue
    first ??= {
      refusal: { hostId: host.hostId, rule: rule.name, message: outcome.message, couldEverFit: true },
      rulesHeld: index,
      shortfall: outcome.shortfall,
    }
    if (!outcome.couldEverFit) return { ...first, refusal: { ...first.refusal, couldEverFit: false } }
  }
  return first
}

/** A host that could take it later is nearer than one that never can. Hosts of other zones are no near miss. */
export function findNearestMiss(misses: readonly Miss[]): Miss | undefined {
  return misses.filter(({ refusal }) => refusal.rule !== 'zone').toSorted(byNearness)[0]
}

const byNearness = (a: Miss, b: Miss) =>
  Number(b.refusal.couldEverFit) - Number(a.refusal.couldEverFit) ||
  b.rulesHeld - a.rulesHeld ||
  a.shortfall - b.shortfall

import type { Demand } from '../model/placement.ts'
import type { CountedHost } from './counted-host.ts'
import type { FreeShape } from './free-shape.ts'
import { cellFit } from './scores/cell-fit.ts'
import { company } from './scores/company.ts'
import { endingTogether } from './scores/ending-together.ts'
import { fragmentation } from './scores/fragmentation.ts'
import { gpuHostsLast } from './scores/gpu-hosts-last.ts'
import { lifetime } from './scores/lifetime.ts'
import { numaFit } from './scores/numa-fit.ts'
import { pack } from './scores/pack.ts'
import { stranding } from './scores/stranding.ts'

/** One wish about where an instance had better go: 0 is nothing lost. It can be asked of many hosts by their average. */
export interface Score {
  readonly weight: number
  of(demand: Demand, shape: FreeShape): number
}

/** One that has to see the very host. */
export interface HostScore {
  readonly weight: number
  of(demand: Demand, host: CountedHost, nowMs: number | undefined): number
}

/** Written out one by one, for this is asked so often that a loop over them is most of a decision. */
export const scoreShape = (demand: Demand, shape: FreeShape): number =>
  stranding.weight * stranding.of(demand, shape) +
  gpuHostsLast.weight * gpuHostsLast.of(demand, shape) +
  fragmentation.weight * fragmentation.of(demand, shape) +
  pack.weight * pack.of(demand, shape)

export const scoreHost = (demand: Demand, host: CountedHost, nowMs: number | undefined): number =>
  scoreShape(demand, host) +
  lifetime.weight * lifetime.of(demand, host, nowMs) +
  endingTogether.weight * endingTogether.of(demand, host, nowMs) +
  company.weight * company.of(demand, host, nowMs) +
  numaFit.weight * numaFit.of(demand, host, nowMs) +
  cellFit.weight * cellFit.of(demand, host, nowMs)

/** The same, part by part. */
export function explainScores(
  demand: Demand,
  host: CountedHost,
  nowMs: number | undefined,
): Readonly<Record<string, number>> {
  return {
    stranding: stranding.weight * stranding.of(demand, host),
    'gpu-hosts-last': gpuHostsLast.weight * gpuHostsLast.of(demand, host),
    fragmentation: fragmentation.weight * fragmentation.of(demand, host),
    pack: pack.weight * pack.of(demand, host),
    lifetime: lifetime.weight * lifetime.of(demand, host, nowMs),
    'ending-together': endingTogether.weight * endingTogether.of(demand, host, nowMs),
    company: company.weight * company.of(demand, host, nowMs),
    'numa-fit': numaFit.weight * numaFit.of(demand, host, nowMs),
    'cell-fit': cellFit.weight * cellFit.of(demand, host, nowMs),
  }
}

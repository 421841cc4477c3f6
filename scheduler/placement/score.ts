import type { Demand, HostSnapshot } from '../model/placement.ts'
import { gpuFit } from './scores/gpu-fit.ts'
import { gpuHostsLast } from './scores/gpu-hosts-last.ts'
import { pack } from './scores/pack.ts'

/** One wish about where an instance had better go: 0 (worst) to 1. */
export interface Score {
  readonly name: string
  readonly weight: number
  of(demand: Demand, host: HostSnapshot): number
}

/** Keeping GPUs free for those who need them outweighs how full hosts are. */
const scores: readonly Score[] = [gpuHostsLast, gpuFit, pack]

export function scoreHost(demand: Demand, host: HostSnapshot): Readonly<Record<string, number>> {
  return Object.fromEntries(scores.map((score) => [score.name, score.weight * score.of(demand, host)]))
}

export function totalScore(parts: Readonly<Record<string, number>>): number {
  return Object.values(parts).reduce((sum, part) => sum + part, 0)
}

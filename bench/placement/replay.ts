import { inCells } from '../../scheduler/model/numa-cells.ts'
import type { Demand } from '../../scheduler/model/placement.ts'
import { gpusOf } from '../../scheduler/placement/demand.ts'
import type { Policy } from './policy.ts'

export interface Replayed {
  readonly allocatedPercent: number
  /** Verdict and claim of those that were placed. */
  readonly decisionsPerSecond: number
  /** The same by the time that the thread had a processor: what others on the machine do stays out of it. */
  readonly decisionsPerCpuSecond: number
  readonly p50Micros: number
  readonly p99Micros: number
  readonly placed: number
  readonly refused: number
  readonly refusalMicros: number
}

/** Everybody arrives, one after the other, and stays. */
export function replay(
  policy: Policy,
  arrivals: readonly Demand[],
  { gpus, seed }: { gpus: number; seed: string },
): Replayed {
  const placedMs: number[] = []
  let [taken, refused, refusedMs] = [0, 0, 0]
  const cpuFrom = process.threadCpuUsage()
  for (const [number, demand] of arrivals.entries()) {
    const uid = `${seed}-${number}`
    const from = performance.now()
    const choice = policy.choose(demand, uid)
    if (choice === undefined) {
      refused += 1
      refusedMs += performance.now() - from
      continue
    }
    const devices = choice.devices.map(({ address }) => address)
    policy.claim(choice.hostId, { uid, demand: inCells(demand, choice.cells), devices })
    placedMs.push(performance.now() - from)
    taken += gpusOf(demand)
  }
  const { user, system } = process.threadCpuUsage(cpuFrom)
  const cpuMs = (user + system) / 1000 - refusedMs
  const totalMs = placedMs.reduce((sum, ms) => sum + ms, 0)
  const sorted = Float64Array.from(placedMs).sort()
  const microsAt = (share: number) => 1000 * (sorted[Math.floor(sorted.length * share)] ?? Number.NaN)
  return {
    allocatedPercent: (100 * taken) / gpus,
    decisionsPerSecond: (1000 * placedMs.length) / totalMs,
    decisionsPerCpuSecond: (1000 * placedMs.length) / cpuMs,
    p50Micros: microsAt(0.5),
    p99Micros: microsAt(0.99),
    placed: placedMs.length,
    refused,
    refusalMicros: refused === 0 ? 0 : (1000 * refusedMs) / refused,
  }
}

import { seededRandom } from '../../lib/random.ts'
import type { Demand, HostSnapshot } from '../../scheduler/model/placement.ts'
import { findCounterfactuals } from '../../scheduler/placement/counterfactual.ts'
import { indexOf, placeExplained } from '../../scheduler/placement/index.ts'
import { arrivalsOf } from './arrivals.ts'
import { gpusIn, hostsOf, type TraceNode } from './trace.ts'

export interface Explained {
  readonly hosts: number
  readonly p50Millis: number
  readonly p99Millis: number
  readonly refused: number
}

const hostCount = 10_000
const questions = 1000
/** As much as hosts have of it many times over: nothing fits. */
const tooMuch = 1000

/**
 * What `:plan` asks of a fleet that is nearly full: where it would go, how many hosts each rule refuses, the nearest, and
 * what would fit instead. Each other question can't be met, and why is counted for every host.
 */
export function explainOnFull(
  nodes: readonly TraceNode[],
  demands: readonly Demand[],
  seed: string,
): Explained {
  const hosts = hostsOf(nodes, Math.ceil(hostCount / nodes.length)).slice(0, hostCount)
  const index = filled(hosts, demands, seed)
  const millis: number[] = []
  let refused = 0
  for (let number = 0; number < questions; number += 1) {
    const asked = demands[number % demands.length] as Demand
    const demand = number % 2 === 0 ? asked : { ...asked, memoryMib: asked.memoryMib * tooMuch }
    const from = performance.now()
    const verdict = placeExplained(index, demand, `plan-${number}`, { isHostByHost: false })
    if (verdict.kind !== 'placed') {
      refused += 1
      findCounterfactuals(demand, (less) => index.decide(less, '') !== undefined, [])
    }
    millis.push(performance.now() - from)
  }
  const sorted = millis.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN
  return { hosts: hosts.length, p50Millis: at(0.5), p99Millis: at(0.99), refused }
}

function filled(hosts: readonly HostSnapshot[], demands: readonly Demand[], seed: string) {
  const index = indexOf(hosts)
  const arrivals = arrivalsOf(demands, 0.95 * gpusIn(hosts), seededRandom(`explain ${seed}`))
  for (const [number, demand] of arrivals.entries()) {
    const choice = index.decide(demand, `${number}`)
    if (choice === undefined) continue
    const devices = choice.devices.map(({ address }) => address)
    index.claim(choice.hostId, { uid: `${number}`, demand, devices })
  }
  return index
}

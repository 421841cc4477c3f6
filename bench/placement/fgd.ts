import type { Demand } from '../../scheduler/model/placement.ts'
import { gpusOf } from '../../scheduler/placement/demand.ts'
import type { Rate } from './policy.ts'

interface Typical {
  readonly demand: Demand
  readonly types: ReadonlySet<string>
  readonly gpus: number
  count: number
}

/** So many kinds of demand, or those that most demands are of. */
const mostKinds = 60
const coveredShare = 0.95

/**
 * Fragmentation gradient descent for whole GPUs: the host whose free GPUs become useless to the fewest of the typical
 * demands. Those are known from the trace itself, which no scheduler would have.
 */
export function fgd(demands: readonly Demand[]): Rate {
  const typical = typicalOf(demands)
  const total = demands.length
  const wasteOf = (vcpus: number, memoryMib: number, gpus: number, type: string): number => {
    if (gpus === 0) return 0
    let useless = 0
    for (const { demand, types, gpus: wanted, count } of typical) {
      const isServed =
        wanted > 0 &&
        demand.vcpus <= vcpus &&
        demand.memoryMib <= memoryMib &&
        wanted <= gpus &&
        types.has(type)
      if (!isServed) useless += count
    }
    return (useless / total) * gpus
  }
  return (demand, { freeVcpus, freeMemoryMib, freeGpus, stocks }) => {
    const type = stocks[0]?.type ?? ''
    const after = wasteOf(
      freeVcpus - demand.vcpus,
      freeMemoryMib - demand.memoryMib,
      freeGpus - gpusOf(demand),
      type,
    )
    return wasteOf(freeVcpus, freeMemoryMib, freeGpus, type) - after
  }
}

function typicalOf(demands: readonly Demand[]): readonly Typical[] {
  const kinds = new Map<string, Typical>()
  for (const demand of demands) {
    const { vcpus, memoryMib, gpus } = demand
    const types = gpus.flatMap(({ type, alternatives = [] }) => [type, ...alternatives])
    const key = JSON.stringify([vcpus, memoryMib, gpusOf(demand), types])
    const kind = kinds.get(key) ?? { demand, types: new Set(types), gpus: gpusOf(demand), count: 0 }
    kind.count += 1
    kinds.set(key, kind)
  }
  let covered = 0
  return [...kinds.values()]
    .sort((a, b) => b.count - a.count)
    .slice(0, mostKinds)
    .filter(({ count }) => {
      covered += count
      return covered - count < coveredShare * demands.length
    })
}

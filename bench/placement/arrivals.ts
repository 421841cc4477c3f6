import type { Random } from '../../lib/random.ts'
import type { Demand } from '../../scheduler/model/placement.ts'
import { gpusOf } from '../../scheduler/placement/demand.ts'

/** Shuffled anew as often as needed, until the requested GPUs are as many. Nobody leaves. */
export function arrivalsOf(
  demands: readonly Demand[],
  wantedGpus: number,
  random: Random,
): readonly Demand[] {
  if (!demands.some((demand) => gpusOf(demand) > 0)) throw new Error('No pod of the trace wants a GPU.')
  const arrivals: Demand[] = []
  for (let asked = 0; asked < wantedGpus; ) {
    for (const demand of shuffled(demands, random)) {
      if (asked >= wantedGpus) break
      arrivals.push(demand)
      asked += gpusOf(demand)
    }
  }
  return arrivals
}

function shuffled<Item>(items: readonly Item[], random: Random): readonly Item[] {
  const order = items.map((item) => ({ item, at: random.fraction() }))
  return order.sort((a, b) => a.at - b.at).map(({ item }) => item)
}

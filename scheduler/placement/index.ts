// Chooses a host and its exact devices for an admitted demand. Input: the demand, the fleet and a seed; output: a placement
// or a verdict, with the reason for every host that was refused. Reads no clock, touches no store: the store's
// commitPlacement checks again and has the last word. The same input gives the same output.
import type { Demand, HostSnapshot, PlacementVerdict } from '../model/placement.ts'
import { FleetIndex } from './fleet-index.ts'

export {
  couldEverBeTogether,
  type Gang,
  placeGang,
  placeTogether,
  selectorOf,
  type ValueRoom,
} from './gang.ts'
export { FleetIndex }

export function indexOf(hosts: readonly HostSnapshot[]): FleetIndex {
  const index = new FleetIndex()
  for (const host of hosts) index.put(host)
  return index
}

/** For few hosts, and for those who want to know of each that does not fit why not. */
export const place = (demand: Demand, hosts: readonly HostSnapshot[], seed: string): PlacementVerdict =>
  placeExplained(indexOf(hosts), demand, seed, { isHostByHost: true })

/** As the index places, with what speaks against the other hosts beside a placement, too. */
export function placeExplained(
  index: FleetIndex,
  demand: Demand,
  seed: string,
  how: { readonly isHostByHost: boolean; readonly nowMs?: number | undefined },
): PlacementVerdict {
  return explainVerdict(index.place(demand, seed, how.nowMs), demand, index, how)
}

/** Of what the index has decided just now; host by host in words if asked. */
export function explainVerdict(
  verdict: PlacementVerdict,
  demand: Demand,
  index: FleetIndex,
  { isHostByHost }: { readonly isHostByHost: boolean },
): PlacementVerdict {
  const { explanation } = verdict
  const counted =
    explanation.refusedBy === undefined ? index.standing(demand, Number.POSITIVE_INFINITY) : undefined
  const refusals = isHostByHost ? index.refusalsOf(demand) : []
  return { ...verdict, explanation: { ...explanation, ...counted, refusals } }
}

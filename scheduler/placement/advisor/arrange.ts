import type { HostId } from '../../../proto/ids.ts'
import { inCells } from '../../model/numa-cells.ts'
import type { Demand } from '../../model/placement.ts'
import { chooseCells } from '../choose-cells.ts'
import type { CountedHost } from '../counted-host.ts'
import { chooseDevices } from '../devices.ts'
import type { FleetIndex } from '../fleet-index.ts'
import type { Resident } from './clear-host.ts'

export interface Plan {
  readonly demand: Demand
  /** Without those that leave it. */
  readonly cleared: CountedHost
  readonly leaving: readonly Resident[]
  /** What is left of it: nothing that is asked on demand may take long. */
  readonly budget: { tries: number }
}

/** For one of them. */
const mostChoices = 8

/**
 * A host for each of those that leave, all at once, around the demand on the host that they leave; where the engine would
 * put them, or where all find a place. The index is as it was afterwards.
 */
export function arrange(
  { demand, cleared, leaving, budget }: Plan,
  index: FleetIndex,
): readonly HostId[] | undefined {
  const { hostId } = cleared.host
  const granted = chooseDevices(demand, cleared)
  const devices = granted.map(({ address }) => address)
  const wanted = inCells(demand, chooseCells(demand, granted, cleared))

  const placeFrom = (at: number): readonly HostId[] | undefined => {
    const one = leaving[at]
    if (one === undefined) return []
    for (const { to, claim } of choicesFor(one, index)) {
      if (budget.tries === 0) return undefined
      budget.tries -= 1
      const rest = trying(index, to, () => {
        index.claim(to, claim)
        return placeFrom(at + 1)
      })
      if (rest !== undefined) return [to, ...rest]
    }
    return undefined
  }

  return trying(index, hostId, () => {
    index.put(cleared.snapshot)
    index.claim(hostId, { uid: 'wanted', demand: wanted, devices })
    return placeFrom(0)
  })
}

/** Where the engine would put it, where it would if that were not there, and so on. */
function* choicesFor({ uid, demand }: Resident, index: FleetIndex) {
  const others: HostId[] = []
  for (let choices = 0; choices < mostChoices; choices += 1) {
    const verdict = decideWithout(others, { uid, demand }, index)
    if (verdict === undefined) return
    const devices = verdict.devices.map(({ address }) => address)
    others.push(verdict.hostId)
    yield { to: verdict.hostId, claim: { uid, demand: inCells(demand, verdict.cells), devices } }
  }
}

function decideWithout(hostIds: readonly HostId[], one: Pick<Resident, 'uid' | 'demand'>, index: FleetIndex) {
  const setAside = hostIds.flatMap((hostId) => index.host(hostId) ?? [])
  for (const host of setAside) index.put({ ...host, state: 'cordoned' })
  const verdict = index.decide(one.demand, one.uid)
  for (const host of setAside) index.put(host)
  return verdict
}

/** The host is as it was afterwards. */
function trying<Result>(index: FleetIndex, hostId: HostId, attempt: () => Result): Result {
  const before = index.host(hostId)
  const result = attempt()
  if (before !== undefined) index.put(before)
  return result
}

import type { HostId, PciAddress } from '../../../proto/ids.ts'
import type { Demand, HostSnapshot } from '../../model/placement.ts'
import { CountedHost } from '../counted-host.ts'
import { gpusOf } from '../demand.ts'
import type { FleetIndex } from '../fleet-index.ts'
import { fits } from '../pipeline.ts'
import { arrange } from './arrange.ts'

/** An instance that could be made anew elsewhere. */
export interface Resident {
  readonly uid: string
  readonly demand: Demand
  readonly devices: readonly PciAddress[]
}

export interface Move {
  readonly uid: string
  readonly gpus: number
  readonly to: HostId
}

export interface Clearing {
  readonly demand: Demand
  readonly host: CountedHost
  readonly residents: readonly Resident[]
  /** Fewer GPUs can't do it. */
  readonly leastMoved: number
  /** As many are too many. */
  readonly limit: number
}

/** Of more, those with the most GPUs and vCPUs are looked at: every choice of them is. */
const mostResidents = 10
/** Places that are tried for those who leave a host, in all. */
const mostTries = 200

/** The fewest GPUs, then the fewest instances, that have to leave so that the demand fits and they find a place. */
export function clearHost(
  { demand, host, residents, leastMoved, limit }: Clearing,
  index: FleetIndex,
): { readonly movedGpus: number; readonly moves: readonly Move[] } | undefined {
  const budget = { tries: mostTries }
  for (const { leaving, gpus } of choicesOf(residents)) {
    if (gpus < leastMoved) continue
    if (gpus >= limit) return undefined
    const cleared = new CountedHost(without(host.snapshot, leaving), host.ring)
    if (!fits(demand, cleared)) continue
    const places = arrange({ demand, cleared, leaving, budget }, index)
    if (places === undefined) continue
    const moves = leaving.map((one, at) => ({
      ...{ uid: one.uid, gpus: gpusOf(one.demand), to: places[at] ?? host.host.hostId },
    }))
    return { movedGpus: gpus, moves }
  }
  return undefined
}

/** Every choice but nobody, the cheapest first; in each the largest comes first. */
function choicesOf(residents: readonly Resident[]) {
  const considered = residents.toSorted(bySize).slice(0, mostResidents)
  const choices: { leaving: readonly Resident[]; gpus: number }[] = []
  for (let bits = 1; bits < 2 ** considered.length; bits += 1) {
    const leaving = considered.filter((_, at) => (bits & (1 << at)) !== 0)
    choices.push({ leaving, gpus: leaving.reduce((sum, one) => sum + gpusOf(one.demand), 0) })
  }
  return choices.toSorted((a, b) => a.gpus - b.gpus || a.leaving.length - b.leaving.length)
}

const bySize = (a: Resident, b: Resident) =>
  gpusOf(b.demand) - gpusOf(a.demand) || b.demand.vcpus - a.demand.vcpus || (a.uid < b.uid ? -1 : 1)

/** Their devices are free then: the host resets them before it says so. */
function without(host: HostSnapshot, leaving: readonly Resident[]): HostSnapshot {
  const devices = new Set(leaving.flatMap((one) => one.devices))
  const left = new CountedHost(host)
  for (const one of leaving) left.release(one)
  const { snapshot } = left
  return {
    ...snapshot,
    devices: snapshot.devices.map((device) =>
      devices.has(device.address) ? { ...device, state: 'FREE' } : device,
    ),
  }
}

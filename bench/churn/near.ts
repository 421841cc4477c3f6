// How many of those that ask for GPUs near to one another get them, while instances come and go?
import { seededRandom } from '../../lib/random.ts'
import type { PciAddress } from '../../proto/ids.ts'
import type { GpuTopology, HostSnapshot } from '../../scheduler/model/placement.ts'
import { berth, type Policy } from '../placement/policy.ts'
import { churnOf, type Request } from './events.ts'
import { demandOf, emptyHosts, gpusPerHost, type PlacedRequest } from './run.ts'

export interface Near {
  /** Of requests for two GPUs below one switch, four on one node: those that were served of those that could be. */
  readonly sameSwitchPercent: number
  readonly sameNumaPercent: number
  /** Of those for 2, 4 and 8 that NVSwitches join. */
  readonly fabricPercent: number
}

const hostCount = 100
const arrivals = 20_000
const load = 0.85

export function measureNear(seed: string): Near {
  const plain = emptyHosts(hostCount)
  const joined = plain.map((host) => ({ ...host, partitions: partitionsOf(host) }))
  const bySwitch = serve(plain, seed, (gpus) =>
    gpus === 2 ? 'same-switch' : gpus === 4 ? 'same-numa' : 'any',
  )
  const byFabric = serve(joined, seed, (gpus) => (gpus > 1 ? 'fabric' : 'any'))
  return {
    sameSwitchPercent: percentOf(bySwitch.get('same-switch')),
    sameNumaPercent: percentOf(bySwitch.get('same-numa')),
    fabricPercent: percentOf(byFabric.get('fabric')),
  }
}

interface Served {
  served: number
  refused: number
}

const percentOf = ({ served, refused }: Served = { served: 0, refused: 0 }) =>
  (100 * served) / (served + refused)

/** All eight, halves, quarters whose GPUs are no neighbours, and each alone. */
function partitionsOf({ devices }: HostSnapshot): readonly (readonly PciAddress[])[] {
  const at = (...indexes: readonly number[]) => indexes.flatMap((index) => devices[index]?.address ?? [])
  const quarters = [at(0, 2), at(1, 3), at(4, 6), at(5, 7)]
  return [
    at(0, 1, 2, 3, 4, 5, 6, 7),
    at(0, 1, 2, 3),
    at(4, 5, 6, 7),
    ...quarters,
    ...devices.map(({ address }) => [address]),
  ]
}

/**
 * A perfect packer, who could move everybody, serves whoever asks for no more than is free in all: requests and places are
 * halves of halves of a host.
 */
function serve(
  hosts: readonly HostSnapshot[],
  seed: string,
  topologyOf: (gpus: number) => GpuTopology,
): ReadonlyMap<GpuTopology, Served> {
  const policy = berth(hosts)
  const counts = new Map<GpuTopology, Served>()
  const placed = new Map<number, PlacedRequest>()
  let free = hosts.length * gpusPerHost
  const events = churnOf({ gpus: free, load, count: arrivals }, seededRandom(`near ${seed}`))
  for (const { kind, request } of events) {
    const { number, gpus } = request
    if (kind === 'departure') {
      const gone = placed.get(number)
      if (gone === undefined) continue
      placed.delete(number)
      policy.release(gone.hostId, gone.claim)
      free += gpus
      continue
    }
    const topology = topologyOf(gpus)
    const found = place(policy, request, topology, `${seed}-${number}`)
    const count = counts.get(topology) ?? { served: 0, refused: 0 }
    counts.set(topology, count)
    if (found !== undefined) {
      placed.set(number, found)
      free -= gpus
      count.served += 1
    } else if (free >= gpus) {
      count.refused += 1
    }
  }
  return counts
}

function place(
  policy: Policy,
  request: Request,
  topology: GpuTopology,
  uid: string,
): PlacedRequest | undefined {
  const { gpus: wishes, ...others } = demandOf(request, false)
  const demand = { ...others, gpus: wishes.map((wish) => ({ ...wish, topology })) }
  const choice = policy.choose(demand, uid)
  if (choice === undefined) return undefined
  const claim = { uid, demand, devices: choice.devices.map(({ address }) => address) }
  policy.claim(choice.hostId, claim)
  return { hostId: choice.hostId, claim }
}

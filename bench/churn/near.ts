// How many of those that ask for GPUs near to one another get them, while instances come and go?
import { seededRandom } from '../../lib/random.ts'
import type { PciAddress } from '../../proto/ids.ts'
import type { GpuTopology, HostSnapshot } from '../../scheduler/model/placement.ts'
import { berth } from '../placement/policy.ts'
import { churnOf } from './events.ts'
import { demandOf, emptyHosts, gpusPerHost, replayChurn } from './run.ts'

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
/** Each with requests of its own: in one alone only some dozens are refused. */
const rounds = 3

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
  const counts = new Map<GpuTopology, Served>()
  for (let round = 0; round < rounds; round += 1) serveRound(hosts, `${seed}.${round}`, topologyOf, counts)
  return counts
}

function serveRound(
  hosts: readonly HostSnapshot[],
  seed: string,
  topologyOf: (gpus: number) => GpuTopology,
  counts: Map<GpuTopology, Served>,
): void {
  let free = hosts.length * gpusPerHost
  const events = churnOf({ gpus: free, load, count: arrivals }, seededRandom(`near ${seed}`))
  replayChurn(berth(hosts), events, {
    seed,
    demandOf: (request) => {
      const { gpus, ...others } = demandOf(request, request.lifetimeS)
      return { ...others, gpus: gpus.map((wish) => ({ ...wish, topology: topologyOf(request.gpus) })) }
    },
    arrived: ({ gpus }, hostId) => {
      const topology = topologyOf(gpus)
      const count = counts.get(topology) ?? { served: 0, refused: 0 }
      counts.set(topology, count)
      if (hostId === undefined) count.refused += free >= gpus ? 1 : 0
      else count.served += 1
      if (hostId !== undefined) free -= gpus
    },
    left: ({ gpus }) => {
      free += gpus
    },
  })
}

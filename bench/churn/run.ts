import { type HostId, hostId, pciAddress, zoneId } from '../../proto/ids.ts'
import type { Demand, HostSnapshot } from '../../scheduler/model/placement.ts'
import type { Claim } from '../../scheduler/placement/claim.ts'
import type { Policy } from '../placement/policy.ts'
import type { ChurnEvent, Request } from './events.ts'
import type { Hint } from './hints.ts'

export interface Churned {
  /** Of the requests for 8 GPUs those that were refused although as many were free in all. */
  readonly refused8Percent: number
  /** Of any size. */
  readonly refusedWhileHostEmpty: number
  /** Of the GPUs that were asked for those that were given. */
  readonly acceptedGpuPercent: number
}

export const gpusPerHost = 8
const type = 'gpu'
const zone = zoneId('bench')
const architecture = 'x86_64'
/** More than its share of neither: what runs out are GPUs. */
const [vcpusPerGpu, memoryMibPerGpu] = [16, 131_072]
/** Before, the fleet is not as full as it will be. */
const warmUpShare = 0.2

/** GPUs are on two NUMA nodes, pairs of them below one switch. */
export const emptyHosts = (count: number): readonly HostSnapshot[] =>
  Array.from({ length: count }, (_, host) => ({
    ...{ hostId: hostId(`host-${host}`), zone, state: 'ready', connected: true, architecture },
    vcpus: { capacity: (gpusPerHost + 1) * vcpusPerGpu, used: 0 },
    memoryMib: { capacity: (gpusPerHost + 1) * memoryMibPerGpu, used: 0 },
    diskGb: { capacity: 100_000, used: 0 },
    devices: Array.from({ length: gpusPerHost }, (_device, index) => ({
      address: pciAddress(`0000:${(0x10 + index).toString(16)}:00.0`),
      ...{ acceleratorType: type, numaNode: Math.floor(index / 4), present: true },
      switchId: `switch-${Math.floor(index / 2)}`,
    })),
  }))

export const demandOf = ({ gpus }: Request, expectedLifetimeS?: number): Demand => ({
  ...{ zone, architecture, vcpus: gpus * vcpusPerGpu, memoryMib: gpus * memoryMibPerGpu, diskGb: 0 },
  gpus: [{ type, count: gpus }],
  ...(expectedLifetimeS === undefined ? {} : { expectedLifetimeS }),
})

interface Replay {
  readonly seed: string
  readonly demandOf: (request: Request) => Demand
  /** Undefined where it was refused. */
  readonly arrived: (request: Request, hostId: HostId | undefined) => void
  readonly left: (request: Request, hostId: HostId) => void
}

/** Each is placed as it comes, or refused, and goes when its time is over. */
export function replayChurn(policy: Policy, events: readonly ChurnEvent[], replay: Replay): void {
  const placed = new Map<number, { hostId: HostId; claim: Claim }>()
  for (const { atS, kind, request } of events) {
    const { number } = request
    if (kind === 'departure') {
      const gone = placed.get(number)
      if (gone === undefined) continue
      placed.delete(number)
      policy.release(gone.hostId, gone.claim)
      replay.left(request, gone.hostId)
      continue
    }
    const demand = replay.demandOf(request)
    const uid = `${replay.seed}-${number}`
    const nowMs = atS * 1000
    const choice = policy.choose(demand, uid, nowMs)
    if (choice !== undefined) {
      const { hostId: chosen, devices } = choice
      const claim = { uid, demand, devices: devices.map(({ address }) => address), nowMs }
      policy.claim(chosen, claim)
      placed.set(number, { hostId: chosen, claim })
    }
    replay.arrived(request, choice?.hostId)
  }
}

interface Options {
  readonly hosts: readonly HostSnapshot[]
  readonly seed: string
  /** None where requests don't say how long they will be there. */
  readonly hint: Hint | undefined
}

export function churn(
  policy: Policy,
  events: readonly ChurnEvent[],
  { hosts, seed, hint }: Options,
): Churned {
  const freeOn = new Map(hosts.map((host) => [host.hostId, gpusPerHost]))
  const warmUp = (events.length / 2) * warmUpShare
  const count = { eights: 0, refused8: 0, refusedWhileHostEmpty: 0, askedGpus: 0, givenGpus: 0 }
  const take = (id: HostId, gpus: number) => freeOn.set(id, (freeOn.get(id) ?? 0) - gpus)
  const arrived = ({ number, gpus }: Request, id: HostId | undefined) => {
    if (id !== undefined) take(id, gpus)
    if (number < warmUp) return
    count.askedGpus += gpus
    if (gpus === gpusPerHost) count.eights += 1
    if (id !== undefined) {
      count.givenGpus += gpus
      return
    }
    const free = [...freeOn.values()]
    if (free.includes(gpusPerHost)) count.refusedWhileHostEmpty += 1
    if (gpus === gpusPerHost && free.reduce((sum, one) => sum + one, 0) >= gpusPerHost) count.refused8 += 1
  }
  const left = ({ gpus }: Request, id: HostId) => take(id, -gpus)
  replayChurn(policy, events, {
    seed,
    demandOf: (request) => demandOf(request, hint?.(request)),
    arrived,
    left,
  })
  return {
    refused8Percent: (100 * count.refused8) / count.eights,
    refusedWhileHostEmpty: count.refusedWhileHostEmpty,
    acceptedGpuPercent: (100 * count.givenGpus) / count.askedGpus,
  }
}

// Which instances would have to go elsewhere so that a request for many GPUs finds room. Guests with GPUs can't move while
// they run: to move one is to stop it and to make it anew. In: the fleet, a size, and, as it is asked for, who is on a host.
// Out: the host to clear and a place for everybody who leaves it, by the same rules and the same engine as any create; or
// why there is nothing to advise. Never: reads a store, changes an instance.
//
// What is advised moves the fewest GPUs of all plans that clear one host and move nobody else, as far as it looks: at most
// `mostHosts` hosts, `mostResidents` instances on each, and a bounded number of arrangements of those that leave.
import type { HostId } from '../../../proto/ids.ts'
import { CountedHost } from '../counted-host.ts'
import type { FleetIndex } from '../fleet-index.ts'
import { fits } from '../pipeline.ts'
import { usualDemand } from '../usual-demand.ts'
import { clearHost, type Move, type Resident } from './clear-host.ts'

export type { Move, Resident }

export interface Wanted {
  readonly zone: string
  readonly type: string
  readonly gpus: number
}

export type Advice =
  /** It would be placed as things are. */
  | { readonly kind: 'fits'; readonly hostId: HostId }
  | {
      readonly kind: 'moves'
      /** That takes the request once they are gone. */
      readonly hostId: HostId
      readonly movedGpus: number
      readonly moves: readonly Move[]
      readonly hostsConsidered: number
    }
  | { readonly kind: 'none'; readonly hostsConsidered: number }

/** Asks for who can be moved of a host's instances. */
export type AdviceSearch = Generator<HostId, Advice, readonly Resident[]>

const mostHosts = 256

/** `index` is the search's own: it is tried with, and left as it was. */
export function* searchAdvice({ zone, type, gpus }: Wanted, index: FleetIndex): AdviceSearch {
  const demandOn = (host: CountedHost) => usualDemand(host, type, gpus)
  const hosts = [...index.counted()].filter(({ host }) => host.zone === zone)
  const able = hosts.find((host) => host.stockOf(type) !== undefined && fits(demandOn(host), host))
  if (able !== undefined) return { kind: 'fits', hostId: able.host.hostId }

  // Whoever leaves takes as many elsewhere as he gives back: what the request gets has to be free somewhere already.
  if (freeGpusOf(hosts) < gpus) return { kind: 'none', hostsConsidered: 0 }
  let best: Extract<Advice, { kind: 'moves' }> | undefined
  let hostsConsidered = 0
  for (const { hostId, leastMoved } of rank(hosts, type, gpus)) {
    if (hostsConsidered === mostHosts || (best !== undefined && best.movedGpus <= leastMoved)) break
    hostsConsidered += 1
    const residents = yield hostId
    const snapshot = index.host(hostId)
    if (snapshot === undefined) continue
    // What was tried before was claimed in place, on what has been replaced since.
    const host = new CountedHost(snapshot)
    const limit = best?.movedGpus ?? Number.POSITIVE_INFINITY
    const found = clearHost({ demand: demandOn(host), host, residents, leastMoved, limit }, index)
    if (found !== undefined) best = { kind: 'moves', hostId, ...found, hostsConsidered }
  }
  return best === undefined ? { kind: 'none', hostsConsidered } : { ...best, hostsConsidered }
}

const isReady = ({ host }: CountedHost) => host.state === 'ready' && host.connected

/** Of every type, also what is kept for one project: those that leave may be of it, and content with another type. */
const freeGpusOf = (hosts: readonly CountedHost[]) =>
  hosts
    .filter(isReady)
    .flatMap(({ stocks }) => stocks)
    .reduce((sum, { free, kept }) => sum + free.length + kept.length, 0)

/** Hosts that could ever do it, those first that the fewest GPUs have to leave. */
function rank(hosts: readonly CountedHost[], type: string, gpus: number) {
  return hosts
    .flatMap((host) => {
      const stock = host.stockOf(type)
      if (stock === undefined || !isReady(host)) return []
      const claimed = stock.all.filter(({ claimedBy }) => claimedBy !== undefined).length
      if (stock.free.length + claimed < gpus) return []
      return [{ hostId: host.host.hostId, leastMoved: Math.max(0, gpus - stock.free.length) }]
    })
    .toSorted((a, b) => a.leastMoved - b.leastMoved || (a.hostId < b.hostId ? -1 : 1))
}

import type { HostId, ZoneId } from '../../proto/ids.ts'
import { isTakenWhole } from '../model/neighbours.ts'
import type {
  Demand,
  HostRefusal,
  HostSnapshot,
  PlacementExplanation,
  PlacementVerdict,
} from '../model/placement.ts'
import { Best, searchPools } from './candidates.ts'
import { type Claim, withClaim, withoutClaim } from './claim.ts'
import { CountedHost } from './counted-host.ts'
import { chooseDevices } from './devices.ts'
import { byNearness, findMiss, findNearestMiss, fits, type Miss } from './pipeline.ts'
import { isAlike, type Pool } from './pool.ts'
import { Postings } from './postings.ts'
import { explainScores } from './score.ts'
import { hashOf } from './seed.ts'
import { advice, lackSentence } from './sentence.ts'
import { ZonePools } from './zone-pools.ts'

type Placed = Extract<PlacementVerdict, { kind: 'placed' }>

interface Entry {
  readonly counted: CountedHost
  /** None where the host takes nobody. */
  readonly pools: readonly Pool[]
}

/** As many hosts that are known by name are all looked at; of more, some are found by what is free. */
const fewHosts = 256

/**
 * The fleet by what is free: what a decision costs follows the answer and not the fleet. What it decides depends on the
 * hosts that are in it, the demand and the seed alone, whatever came and went before.
 */
export class FleetIndex {
  readonly #entries = new Map<HostId, Entry>()
  readonly #zones = new Map<ZoneId, ZonePools>()
  readonly #labels = new Postings()
  readonly #groups = new Postings()
  /** By project, hosts with devices that are free for it alone. */
  readonly #kept = new Postings()

  get size(): number {
    return this.#entries.size
  }

  host(hostId: HostId): HostSnapshot | undefined {
    return this.#entries.get(hostId)?.counted.host
  }

  /** The host as it is from now on. */
  put(host: HostSnapshot): void {
    const before = this.#entries.get(host.hostId)
    const counted = new CountedHost(host, before?.counted.ring)
    const pools = this.#move(before, counted)
    this.#entries.set(host.hostId, { counted, pools })
    this.#post(before?.counted, counted)
  }

  remove(hostId: HostId): void {
    const entry = this.#entries.get(hostId)
    if (entry === undefined) return
    this.#leave(entry)
    this.#entries.delete(hostId)
    this.#post(entry.counted, undefined)
  }

  claim(hostId: HostId, claim: Claim): void {
    this.put(withClaim(this.#hostOf(hostId), claim))
  }

  release(hostId: HostId, claim: Claim): void {
    this.put(withoutClaim(this.#hostOf(hostId), claim))
  }

  place(demand: Demand, seed: string, nowMs?: number): PlacementVerdict {
    return this.decide(demand, seed, nowMs) ?? this.#refuse(demand, seed)
  }

  /** Undefined where no host fits: why not is another, dearer question. */
  decide(demand: Demand, seed: string, nowMs?: number): Placed | undefined {
    const asked = this.#withFirstMembers(demand)
    const best = new Best(asked, hashOf(seed), nowMs)
    this.#search(asked, best)
    if (best.host === undefined) return undefined
    return {
      kind: 'placed',
      hostId: best.host.host.hostId,
      devices: chooseDevices(asked, best.host),
      explanation: {
        seed,
        hostsConsidered: this.size,
        refusals: [],
        scores: explainScores(asked, best.host, nowMs),
      },
    }
  }

  /** Of every host that does not fit. */
  refusalsOf(demand: Demand): readonly HostRefusal[] {
    return this.#missesOf(demand).map(({ refusal }) => refusal)
  }

  /** Whether this very host could take it. */
  fitsOn(demand: Demand, hostId: HostId): boolean {
    const entry = this.#entries.get(hostId)
    return entry !== undefined && fits(this.#withFirstMembers(demand), entry.counted)
  }

  /** Of every host that could take it once others are gone, the one that lacks least first. */
  nearMisses(demand: Demand): readonly HostRefusal[] {
    return this.#missesOf(demand)
      .filter(({ refusal }) => refusal.couldEverFit)
      .toSorted(byNearness)
      .map(({ refusal }) => refusal)
  }

  #search(asked: Demand, best: Best): void {
    const named = this.#namedHosts(asked)
    const pools = this.#zones.get(asked.zone)
    if (named !== undefined) this.#offerAll(named, best)
    else if (pools !== undefined) searchPools(pools, best)
    if (named === undefined && asked.gpus.length > 0 && asked.project !== undefined) {
      this.#offerAll(this.#kept.of(asked.project) ?? [], best)
    }
  }

  #offerAll(hostIds: Iterable<HostId>, best: Best): void {
    for (const hostId of hostIds) {
      const entry = this.#entries.get(hostId)
      if (entry !== undefined) best.offer(entry.counted)
    }
  }

  /** Where the demand itself names few hosts. */
  #namedHosts({ volumes, affinity = [], hostLabels = [] }: Demand): Iterable<HostId> | undefined {
    if (volumes?.hostId !== undefined) return [volumes.hostId]
    let fewest: ReadonlySet<HostId> | undefined
    const consider = (hosts: ReadonlySet<HostId> = new Set()) => {
      if (fewest === undefined || hosts.size < fewest.size) fewest = hosts
    }
    for (const group of affinity) consider(this.#groups.of(group))
    for (const selector of hostLabels) {
      const [value, another] = selector.kind === 'in' ? selector.values : []
      if (value !== undefined && another === undefined)
        consider(this.#labels.of(wordOf([selector.key, value])))
    }
    return fewest !== undefined && fewest.size <= fewHosts ? fewest : undefined
  }

  /** The first member of a group that wants to be beside its own has nobody to be beside. */
  #withFirstMembers(demand: Demand): Demand {
    const { affinity, groups = [] } = demand
    if (affinity === undefined) return demand
    const others = affinity.filter((group) => !groups.includes(group) || this.#groups.of(group) !== undefined)
    return { ...demand, affinity: others }
  }

  #move(before: Entry | undefined, counted: CountedHost): readonly Pool[] {
    const isOpen = takesSomebody(counted.host)
    if (before !== undefined && before.pools.length > 0 && isOpen && isAlike(before.counted, counted)) {
      for (const pool of before.pools) {
        pool.add(counted)
        pool.remove(before.counted)
      }
      return before.pools
    }
    if (before !== undefined) this.#leave(before)
    if (!isOpen) return []
    const { zone } = counted.host
    const pools = this.#zones.get(zone) ?? new ZonePools()
    this.#zones.set(zone, pools)
    return pools.join(counted)
  }

  #leave({ counted, pools }: Entry): void {
    this.#zones.get(counted.host.zone)?.leave(counted, pools)
  }

  #post(before: CountedHost | undefined, after: CountedHost | undefined): void {
    const { hostId } = (after ?? before)?.host ?? {}
    if (hostId === undefined) return
    if (before?.host.labels !== after?.host.labels) {
      this.#labels.replace(hostId, labelWords(before), labelWords(after))
    }
    this.#groups.replace(hostId, groupWords(before), groupWords(after))
    this.#kept.replace(hostId, keptWords(before), keptWords(after))
  }

  #hostOf(hostId: HostId): HostSnapshot {
    const host = this.host(hostId)
    if (host === undefined) throw new Error(`There is no host ${hostId}.`)
    return host
  }

  #missesOf(demand: Demand): readonly Miss[] {
    const asked = this.#withFirstMembers(demand)
    const misses: Miss[] = []
    for (const { counted } of this.#entries.values()) {
      const miss = findMiss(asked, counted)
      if (miss !== undefined) misses.push(miss)
    }
    return misses
  }

  #refuse(demand: Demand, seed: string): PlacementVerdict {
    const misses = this.#missesOf(demand)
    const refusals = misses.map(({ refusal }) => refusal)
    const explanation: PlacementExplanation = { seed, hostsConsidered: this.size, refusals }
    const lack = lackSentence(demand, explanation, findNearestMiss(misses)?.refusal)
    const kind = refusals.some((refusal) => refusal.couldEverFit) ? 'not-now' : 'never-fits'
    const message = refusals.every(({ rule }) => rule === 'zone') ? lack : `${lack} ${advice[kind]}`
    return { kind, message, lack, explanation }
  }
}

/** Whether it is connected can change at any time: that is asked of those that are looked at. */
const takesSomebody = (host: HostSnapshot) => host.state === 'ready' && !isTakenWhole(host)

const wordOf = (parts: readonly string[]) => JSON.stringify(parts)

const labelWords = (counted: CountedHost | undefined) =>
  counted?.host.labels && Object.entries(counted.host.labels).map(wordOf)

/** Undefined for most: this is asked at every claim. */
const groupWords = (counted: CountedHost | undefined) =>
  counted?.host.occupants?.some(({ groups }) => groups !== undefined)
    ? counted.host.occupants.flatMap(({ groups = [] }) => groups)
    : undefined

const keptWords = (counted: CountedHost | undefined) =>
  counted?.stocks.some(({ kept }) => kept.length > 0)
    ? counted.stocks.flatMap(({ kept }) => kept.flatMap(({ unscrubbedProject = [] }) => unscrubbedProject))
    : undefined

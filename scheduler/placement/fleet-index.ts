import type { HostId, ZoneId } from '../../proto/ids.ts'
import type { Demand, HostRefusal, HostSnapshot, PlacementVerdict } from '../model/placement.ts'
import { Best, searchPools } from './candidates.ts'
import { chooseCells } from './choose-cells.ts'
import type { Claim } from './claim.ts'
import { CountedHost } from './counted-host.ts'
import { chooseDevices } from './devices.ts'
import { findMiss, fits, isNearer, type Miss, refusalOf } from './pipeline.ts'
import { isAlike, type Pool } from './pool.ts'
import { Postings } from './postings.ts'
import { RefusalCounts, type Standing } from './refusal-counts.ts'
import { explainScores } from './score.ts'
import { hashOf } from './seed.ts'
import { advice, lackSentence } from './sentence.ts'
import { type Pooled, type Tally, tallyRefusals } from './tally.ts'
import { ZonePools } from './zone-pools.ts'

type Placed = Extract<PlacementVerdict, { kind: 'placed' }>

interface Entry extends Pooled {
  /** None where the host takes nobody. */
  pools: readonly Pool[]
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
  readonly #refusals = new RefusalCounts((hostId) => this.#entries.get(hostId)?.counted)

  get size(): number {
    return this.#entries.size
  }

  host(hostId: HostId): HostSnapshot | undefined {
    return this.#entries.get(hostId)?.counted.snapshot
  }

  /** Every host, as it is counted. */
  *counted(): Generator<CountedHost> {
    for (const { counted } of this.#entries.values()) yield counted
  }

  /** The host as it is from now on. */
  put(host: HostSnapshot): void {
    const { hostId } = host
    const before = this.#entries.get(hostId)
    const counted = new CountedHost(host, before?.counted.ring)
    const pools = this.#move(before, counted)
    this.#entries.set(hostId, { counted, pools })
    this.#labels.replace(hostId, before && labelWords(before.counted), labelWords(counted))
    this.#post(hostId, before && wordsOf(before.counted), wordsOf(counted))
    this.#refusals.note(hostId)
  }

  /** Its agent is there, or is not any more: the index is not told otherwise. */
  noteConnectedness(hostId: HostId): void {
    if (this.#entries.has(hostId)) this.#refusals.note(hostId)
  }

  remove(hostId: HostId): void {
    const entry = this.#entries.get(hostId)
    if (entry === undefined) return
    this.#leave(entry)
    this.#entries.delete(hostId)
    this.#labels.replace(hostId, labelWords(entry.counted), undefined)
    this.#post(hostId, wordsOf(entry.counted), none)
    this.#refusals.note(hostId)
  }

  claim(hostId: HostId, claim: Claim): void {
    this.#change(hostId, (counted) => counted.claim(claim))
  }

  release(hostId: HostId, claim: Claim): void {
    this.#change(hostId, (counted) => counted.release(claim))
  }

  place(demand: Demand, seed: string, nowMs?: number): PlacementVerdict {
    const placed = this.decide(demand, seed, nowMs)
    return placed === undefined ? this.#refuse(demand, seed) : this.explain(placed, demand)
  }

  /** With how many hosts each rule refuses, as of now, where that can be told at once. */
  explain(placed: Placed, demand: Demand): Placed {
    return { ...placed, explanation: { ...placed.explanation, ...this.standing(demand) } }
  }

  /** What `tally` counts, kept up from one demand to the next of its kind. `most`: hosts that may be asked for it. */
  standing(demand: Demand, most?: number): Standing | undefined {
    const { project, ...asked } = this.#withFirstMembers(demand)
    // Whose it is matters where something is kept for it: what others ask is the same question otherwise.
    const isKeptFor = project !== undefined && this.#kept.of(project) !== undefined
    return this.#refusals.count(isKeptFor ? { ...asked, project } : asked, most)
  }

  /** Undefined where no host fits: why not is another, dearer question. */
  decide(demand: Demand, seed: string, nowMs?: number): Placed | undefined {
    const asked = this.#withFirstMembers(demand)
    const best = new Best(asked, hashOf(seed), nowMs)
    this.#search(asked, best)
    if (best.host === undefined) return undefined
    const devices = chooseDevices(asked, best.host)
    const cells = chooseCells(asked, devices, best.host)
    return {
      kind: 'placed',
      hostId: best.host.host.hostId,
      devices,
      ...(cells === undefined ? {} : { cells }),
      explanation: {
        seed,
        hostsConsidered: this.size,
        refusals: [],
        scores: explainScores(asked, best.host, nowMs),
      },
    }
  }

  /** Of every host that does not fit, in words. */
  refusalsOf(demand: Demand): readonly HostRefusal[] {
    return this.#missesOf(demand).map(refusalOf)
  }

  /** The same, counted. */
  tally(demand: Demand): Tally {
    return tallyRefusals(this.#withFirstMembers(demand), this.#entries.values())
  }

  /** Whether this very host could take it. */
  fitsOn(demand: Demand, hostId: HostId): boolean {
    const entry = this.#entries.get(hostId)
    return entry !== undefined && fits(this.#withFirstMembers(demand), entry.counted)
  }

  /** Of every host that could take it once others are gone, the one that lacks least first. */
  nearMisses(demand: Demand): readonly HostRefusal[] {
    const misses = this.#missesOf(demand).filter(({ couldEverFit }) => couldEverFit)
    return misses.toSorted((a, b) => (isNearer(a, b) ? -1 : 1)).map(refusalOf)
  }

  #missesOf(demand: Demand): readonly Miss[] {
    const asked = this.#withFirstMembers(demand)
    return [...this.#entries.values()].flatMap(({ counted }) => findMiss(asked, counted) ?? [])
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
  #namedHosts({ volumes, affinity, hostLabels }: Demand): Iterable<HostId> | undefined {
    if (volumes?.hostId !== undefined) return [volumes.hostId]
    if (affinity === undefined && hostLabels === undefined) return undefined
    let fewest: ReadonlySet<HostId> | undefined
    const consider = (hosts: ReadonlySet<HostId> = new Set()) => {
      if (fewest === undefined || hosts.size < fewest.size) fewest = hosts
    }
    for (const group of affinity ?? []) consider(this.#groups.of(group))
    for (const selector of hostLabels ?? []) {
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
    const isOpen = takesSomebody(counted)
    if (before !== undefined && before.pools.length > 0 && isOpen && isAlike(before.counted, counted)) {
      for (const pool of before.pools) {
        pool.add(counted)
        pool.remove(before.counted)
      }
      return before.pools
    }
    if (before !== undefined) this.#leave(before)
    return isOpen ? this.#zoneOf(counted).join(counted) : []
  }

  #leave({ counted, pools }: Entry): void {
    this.#zones.get(counted.host.zone)?.leave(counted, pools)
  }

  /** In place: what a claim doesn't change stays counted. */
  #change(hostId: HostId, change: (counted: CountedHost) => void): void {
    const entry = this.#entries.get(hostId)
    if (entry === undefined) throw new Error(`There is no host ${hostId}.`)
    const { counted, pools } = entry
    const before = wordsOf(counted)
    for (const pool of pools) pool.remove(counted)
    change(counted)
    if (pools.length > 0 && takesSomebody(counted)) for (const pool of pools) pool.add(counted)
    else entry.pools = this.#rejoin(counted, pools)
    this.#post(hostId, before, wordsOf(counted))
    this.#refusals.note(hostId)
  }

  /** It is in none of its pools any more. */
  #rejoin(counted: CountedHost, pools: readonly Pool[]): readonly Pool[] {
    this.#zones.get(counted.host.zone)?.closeEmpty(pools)
    return takesSomebody(counted) ? this.#zoneOf(counted).join(counted) : []
  }

  #zoneOf({ host: { zone } }: CountedHost): ZonePools {
    const known = this.#zones.get(zone)
    if (known !== undefined) return known
    const pools = new ZonePools()
    this.#zones.set(zone, pools)
    return pools
  }

  #post(hostId: HostId, before: Words | undefined, after: Words): void {
    this.#groups.replace(hostId, before?.groups, after.groups)
    this.#kept.replace(hostId, before?.kept, after.kept)
  }

  #refuse(demand: Demand, seed: string): PlacementVerdict {
    const tally = this.tally(demand)
    const { refusedBy, nearest } = tally
    const kind = nearest?.couldEverFit ? 'not-now' : 'never-fits'
    const explanation = { seed, hostsConsidered: this.size, refusedBy, hostsFit: 0, refusals: [] }
    const lack = lackSentence(demand, tally)
    const message = refusedBy.length === 0 ? lack : `${lack} ${advice[kind]}`
    return { kind, message, lack, explanation }
  }
}

/** What a host is found by, beside what is free; undefined for most. */
interface Words {
  readonly groups: readonly string[] | undefined
  /** Projects that devices are free for alone. */
  readonly kept: readonly string[] | undefined
}

const none: Words = { groups: undefined, kept: undefined }

/** This is asked at every claim. */
function wordsOf({ occupants: { groups }, stocks }: CountedHost): Words {
  const hasKept = stocks.some(({ kept }) => kept.length > 0)
  if (!hasKept && groups === undefined) return none
  const devices = stocks.flatMap(({ kept }) => kept)
  return {
    groups,
    kept: hasKept ? devices.flatMap(({ unscrubbedProject = [] }) => unscrubbedProject) : undefined,
  }
}

/** Whether it is connected can change at any time: that is asked of those that are looked at. */
const takesSomebody = ({ host, occupants }: CountedHost) => host.state === 'ready' && !occupants.isTakenWhole

const wordOf = (parts: readonly string[]) => JSON.stringify(parts)

const labelWords = ({ host: { labels } }: CountedHost) => labels && Object.entries(labels).map(wordOf)

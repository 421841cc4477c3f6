import type { HostId } from '../../proto/ids.ts'
import { type Demand, placementRules, type RuleCount } from '../model/placement.ts'
import type { CountedHost } from './counted-host.ts'
import { findMiss } from './pipeline.ts'

/** As many demands are remembered: those that were asked about last. */
const maximumBooks = 64
const logLength = 4096
/** Hosts that are asked for one count where a decision waits for it. */
const mostLooks = 256

/** How the hosts of the zone stand to a demand. */
export interface Standing {
  /** In the order of the rules. */
  readonly refusedBy: readonly RuleCount[]
  readonly hostsFit: number
}

/** Of one demand, what became of each host: a place in `outcomes`, or nothing where it is not in the zone. */
interface Book {
  readonly hosts: Uint8Array
  readonly counts: number[]
  /** How many of them have been looked at, the first ones. */
  looked: number
  /** In the log. */
  at: number
}

const outcomes = ['elsewhere', 'fits', ...placementRules] as const
const elsewhere = outcomes.indexOf('elsewhere')
const fit = outcomes.indexOf('fits')

/**
 * How many hosts each rule refuses: counted for a demand, some hosts with each question, and kept up from one question to
 * the next by asking again those that have changed since.
 */
export class RefusalCounts {
  readonly #find: (hostId: HostId) => CountedHost | undefined
  /** By its place in books. */
  readonly #hostIds: HostId[] = []
  readonly #places = new Map<HostId, number>()
  /** Which hosts have changed, as a ring of places. */
  readonly #log: number[] = []
  #end = 0
  readonly #books = new Map<string, Book>()

  constructor(find: (hostId: HostId) => CountedHost | undefined) {
    this.#find = find
  }

  /** The host is another by now. */
  note(hostId: HostId): void {
    let place = this.#places.get(hostId)
    if (place === undefined) {
      place = this.#hostIds.push(hostId) - 1
      this.#places.set(hostId, place)
    }
    this.#log[this.#end % logLength] = place
    this.#end += 1
  }

  /** Undefined where it takes more hosts than one question may ask: the next ones go on from there. */
  count(demand: Demand, most = mostLooks): Standing | undefined {
    const book = this.#bringUp(demand, most)
    if (book.at < this.#end || book.looked < this.#hostIds.length) return undefined
    const { counts } = book
    const refusedBy = placementRules.flatMap((rule) => {
      const hosts = counts[outcomes.indexOf(rule)] ?? 0
      return hosts === 0 ? [] : { rule, hosts }
    })
    return { refusedBy, hostsFit: counts[fit] ?? 0 }
  }

  #bringUp(demand: Demand, most: number): Book {
    const key = keyOf(demand)
    const known = this.#books.get(key)
    this.#books.delete(key)
    const isOfUse =
      known !== undefined && known.hosts.length >= this.#hostIds.length && this.#end - known.at <= logLength
    const book = isOfUse ? known : this.#emptyBook()
    let looks = 0
    for (; book.at < this.#end && looks < most; book.at += 1) {
      const place = this.#log[book.at % logLength] ?? 0
      // The others' turn comes.
      if (place >= book.looked) continue
      this.#look(book, demand, place)
      looks += 1
    }
    for (; book.looked < this.#hostIds.length && looks < most; looks += 1) {
      this.#look(book, demand, book.looked)
      book.looked += 1
    }
    this.#remember(key, book)
    return book
  }

  /** With room for hosts to come, which are elsewhere as yet. */
  #emptyBook(): Book {
    const hosts = new Uint8Array(Math.ceil(this.#hostIds.length * 1.25)).fill(elsewhere)
    return { hosts, counts: outcomes.map(() => 0), looked: 0, at: this.#end }
  }

  #remember(key: string, book: Book): void {
    this.#books.set(key, book)
    if (this.#books.size <= maximumBooks) return
    const [oldest] = this.#books.keys()
    if (oldest !== undefined) this.#books.delete(oldest)
  }

  #look({ hosts, counts }: Book, demand: Demand, place: number): void {
    const host = this.#find(this.#hostIds[place] as HostId)
    const before = hosts[place] ?? elsewhere
    const after = host === undefined || host.host.zone !== demand.zone ? elsewhere : outcomeOf(demand, host)
    if (after === before) return
    hosts[place] = after
    counts[before] = (counts[before] ?? 0) - 1
    counts[after] = (counts[after] ?? 0) + 1
  }
}

/** By all that rules ask of it. */
const keyOf = ({ groups: _, packing: _packing, expectedLifetimeS: _lifetime, ...asked }: Demand) =>
  JSON.stringify(asked)

function outcomeOf(demand: Demand, host: CountedHost): number {
  const miss = findMiss(demand, host)
  return miss === undefined ? fit : outcomes.indexOf(miss.rule)
}

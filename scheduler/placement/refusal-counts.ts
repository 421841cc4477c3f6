import type { HostId } from '../../proto/ids.ts'
import { type Demand, placementRules, type RuleCount } from '../model/placement.ts'
import type { CountedHost } from './counted-host.ts'
import { findMiss } from './pipeline.ts'

/** As many demands are remembered: those that were asked about last. */
const maximumBooks = 32
const logLength = 4096

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
  /** In the log. */
  at: number
}

const outcomes = ['elsewhere', 'fits', ...placementRules] as const
const elsewhere = outcomes.indexOf('elsewhere')
const fit = outcomes.indexOf('fits')

/**
 * How many hosts each rule refuses: counted once for a demand, and kept up from one question to the next by asking again
 * the hosts that have changed since.
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

  count(demand: Demand): Standing {
    const { counts } = this.#bringUp(demand)
    const refusedBy = placementRules.flatMap((rule) => {
      const hosts = counts[outcomes.indexOf(rule)] ?? 0
      return hosts === 0 ? [] : { rule, hosts }
    })
    return { refusedBy, hostsFit: counts[fit] ?? 0 }
  }

  #bringUp(demand: Demand): Book {
    const key = keyOf(demand)
    const known = this.#books.get(key)
    this.#books.delete(key)
    const changes = known === undefined ? Number.POSITIVE_INFINITY : this.#end - known.at
    const isCurrent = known !== undefined && known.hosts.length >= this.#hostIds.length
    const book = isCurrent && changes <= logLength ? known : this.#emptyBook()
    if (book === known) {
      for (let at = known.at; at < this.#end; at += 1)
        this.#look(book, demand, this.#log[at % logLength] ?? 0)
    } else {
      for (let place = 0; place < this.#hostIds.length; place += 1) this.#look(book, demand, place)
    }
    book.at = this.#end
    this.#remember(key, book)
    return book
  }

  /** With room for hosts to come, which are elsewhere as yet. */
  #emptyBook(): Book {
    const hosts = new Uint8Array(Math.ceil(this.#hostIds.length * 1.25)).fill(elsewhere)
    return { hosts, counts: outcomes.map(() => 0), at: 0 }
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

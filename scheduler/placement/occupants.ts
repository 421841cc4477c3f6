import { takesWhole } from '../model/neighbours.ts'
import type { HostSnapshot, Occupant } from '../model/placement.ts'

/** Who has outstayed its hint is expected to stay on for this part of that time. */
const outstayedShare = 0.2

/** How long one will still be there whose hint said until when. */
export function leftS(expectedEndMs: number, nowMs: number): number {
  const s = (expectedEndMs - nowMs) / 1000
  return s >= 0 ? s : -s * outstayedShare
}

/** Who is on a host, as far as it matters to others, with what decisions ask of them counted once. */
export class Occupants {
  /** One has the host for itself. */
  isTakenWhole = false
  /** Of all of them; undefined for most hosts. */
  groups: readonly string[] | undefined
  /** By their hints, when the first and the last are gone. */
  #firstEndMs = Number.POSITIVE_INFINITY
  #lastEndMs = Number.NEGATIVE_INFINITY
  /** Some have given no hint. */
  #isOpenEnded = false
  readonly #list: Occupant[]
  /** Those that only devices tell of. */
  readonly #others: Set<string>

  constructor({ occupants = [], devices }: Pick<HostSnapshot, 'occupants' | 'devices'>) {
    this.#list = occupants.slice()
    const named = occupants.map(({ uid }) => uid)
    this.#others = new Set(
      devices.flatMap(({ claimedBy = [] }) => claimedBy).filter((uid) => !named.includes(uid)),
    )
    for (const occupant of this.#list) this.#count(occupant)
  }

  get list(): readonly Occupant[] {
    return this.#list
  }

  get size(): number {
    return this.#list.length + this.#others.size
  }

  /** Until all are gone, by their hints; undefined where some have given none. */
  emptyInS(nowMs: number): number | undefined {
    if (this.#isOpenEnded) return undefined
    if (this.#list.length === 0) return 0
    // What is left grows away from the present on both sides: it is most of the first or of the last.
    return Math.max(leftS(this.#firstEndMs, nowMs), leftS(this.#lastEndMs, nowMs))
  }

  add(occupant: Occupant): void {
    this.#list.push(occupant)
    this.#count(occupant)
  }

  remove(uid: string): void {
    this.#others.delete(uid)
    const at = this.#list.findIndex((occupant) => occupant.uid === uid)
    if (at === -1) return
    this.#list.splice(at, 1)
    this.isTakenWhole = false
    this.#firstEndMs = Number.POSITIVE_INFINITY
    this.#lastEndMs = Number.NEGATIVE_INFINITY
    this.#isOpenEnded = false
    this.groups = undefined
    for (const occupant of this.#list) this.#count(occupant)
  }

  #count(occupant: Occupant): void {
    const { expectedEndMs, groups } = occupant
    if (takesWhole(occupant)) this.isTakenWhole = true
    if (expectedEndMs === undefined) this.#isOpenEnded = true
    else {
      this.#firstEndMs = Math.min(this.#firstEndMs, expectedEndMs)
      this.#lastEndMs = Math.max(this.#lastEndMs, expectedEndMs)
    }
    if (groups !== undefined) this.groups = [...(this.groups ?? []), ...groups]
  }
}

import { takesWhole } from '../model/neighbours.ts'
import type { HostSnapshot, Occupant } from '../model/placement.ts'

/** Who is on a host, as far as it matters to others, with what decisions ask of them counted once. */
export class Occupants {
  /** One has the host for itself. */
  isTakenWhole = false
  /** When all are gone, by their hints; undefined where some have given none. */
  emptyAtMs: number | undefined = 0
  /** Of all of them; undefined for most hosts. */
  groups: readonly string[] | undefined
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
    this.emptyAtMs = 0
    this.groups = undefined
    for (const occupant of this.#list) this.#count(occupant)
  }

  #count(occupant: Occupant): void {
    const { expectedEndMs, groups } = occupant
    if (takesWhole(occupant)) this.isTakenWhole = true
    if (expectedEndMs === undefined) this.emptyAtMs = undefined
    else if (this.emptyAtMs !== undefined && expectedEndMs > this.emptyAtMs) this.emptyAtMs = expectedEndMs
    if (groups !== undefined) this.groups = [...(this.groups ?? []), ...groups]
  }
}

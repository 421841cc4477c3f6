import { covers, type Room } from './room.ts'

/** So many are remembered: those that were asked last. */
const most = 8

/**
 * Needs that no host of a cell has the room for, which would be looked for in vain again. They stay true until a host
 * comes that has it.
 */
export class Shortfalls {
  readonly #needs: Readonly<Room>[] = []

  /** It is known that nobody has the room. */
  has(need: Readonly<Room>): boolean {
    for (const known of this.#needs) if (covers(need, known)) return true
    return false
  }

  add(need: Readonly<Room>): void {
    this.#needs.unshift(need)
    if (this.#needs.length > most) this.#needs.pop()
  }

  /** A host has come. */
  forget(room: Readonly<Room>): void {
    for (let at = this.#needs.length - 1; at >= 0; at -= 1) {
      if (covers(room, this.#needs[at] as Room)) this.#needs.splice(at, 1)
    }
  }
}

import type { InstanceUid, ProjectId } from '../../proto/ids.ts'
import type { WaitingInstance } from '../model/waiting.ts'

interface Entry {
  readonly instance: WaitingInstance
  readonly turn: number
}

/**
 * In which order they are served: of each project the oldest first, and projects in turn, however many of one there are.
 * Start-time fair queueing: whoever comes is given a turn, one after the last of its project, and none that has been
 * passed. A turn never changes, so nobody who comes later is served before it for ever.
 */
export class FairOrder {
  readonly #entries = new Map<InstanceUid, Entry>()
  readonly #lastTurns = new Map<ProjectId, number>()
  /** The latest that was served. */
  #now = 0
  #sorted: readonly WaitingInstance[] | undefined

  get size(): number {
    return this.#entries.size
  }

  has(uid: InstanceUid): boolean {
    return this.#entries.has(uid)
  }

  add(instance: WaitingInstance): void {
    if (this.has(instance.uid)) return
    const { uid, project } = instance
    const turn = Math.max(this.#now, (this.#lastTurns.get(project) ?? -1) + 1)
    this.#lastTurns.set(project, turn)
    this.#entries.set(uid, { instance, turn })
    this.#sorted = undefined
  }

  /** It has had its turn. */
  serve(uid: InstanceUid): void {
    const entry = this.#drop(uid)
    if (entry === undefined || entry.turn <= this.#now) return
    this.#now = entry.turn
    // Of these the next gets the present turn, as if they had never been here.
    for (const [project, turn] of this.#lastTurns) if (turn < this.#now) this.#lastTurns.delete(project)
  }

  /** It waits no longer: the last of a project leaves its turn to the next that comes. */
  remove(uid: InstanceUid): void {
    const entry = this.#drop(uid)
    if (entry === undefined) return
    const { project } = entry.instance
    if (this.#lastTurns.get(project) === entry.turn) this.#lastTurns.set(project, entry.turn - 1)
  }

  #drop(uid: InstanceUid): Entry | undefined {
    const entry = this.#entries.get(uid)
    if (entry === undefined) return undefined
    this.#entries.delete(uid)
    this.#sorted = undefined
    return entry
  }

  inOrder(): readonly WaitingInstance[] {
    this.#sorted ??= Array.from(this.#entries.values())
      .toSorted(byTurn)
      .map(({ instance }) => instance)
    return this.#sorted
  }
}

function byTurn(a: Entry, b: Entry): number {
  if (a.turn !== b.turn) return a.turn - b.turn
  if (a.instance.sinceMs !== b.instance.sinceMs) return a.instance.sinceMs - b.instance.sinceMs
  return a.instance.uid < b.instance.uid ? -1 : 1
}

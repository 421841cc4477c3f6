import { describeCauses } from './log.ts'

/** What to do if a later step fails: pushed after each success, run in reverse, forgotten on success. */
export class UndoStack {
  readonly #undos: { what: string; undo: () => Promise<void> }[] = []

  push(what: string, undo: () => Promise<void>): void {
    this.#undos.push({ what, undo })
  }

  /** The work is done: nothing is to be undone any more. */
  clear(): void {
    this.#undos.length = 0
  }

  /** Undoes everything, newest first. One failure doesn't stop the others. Gives the sentences of what failed. */
  async unwind(): Promise<string[]> {
    const failures: string[] = []
    for (let entry = this.#undos.pop(); entry; entry = this.#undos.pop()) {
      try {
        await entry.undo()
      } catch (thrown) {
        failures.push(`${entry.what}: ${describeCauses(thrown)}`)
      }
    }
    return failures
  }
}

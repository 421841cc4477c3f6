import type { HostId } from '../../proto/ids.ts'

const none: readonly string[] = []

/** For each word the hosts that have it. */
export class Postings {
  readonly #hosts = new Map<string, Set<HostId>>()

  of(word: string): ReadonlySet<HostId> | undefined {
    return this.#hosts.get(word)
  }

  /** From one set of words to another; undefined stands for none. */
  replace(hostId: HostId, before: readonly string[] | undefined, after: readonly string[] | undefined): void {
    for (const word of before ?? none) if (!after?.includes(word)) this.#remove(hostId, word)
    for (const word of after ?? none) if (!before?.includes(word)) this.#add(hostId, word)
  }

  #add(hostId: HostId, word: string): void {
    const hosts = this.#hosts.get(word) ?? new Set()
    this.#hosts.set(word, hosts.add(hostId))
  }

  #remove(hostId: HostId, word: string): void {
    const hosts = this.#hosts.get(word)
    hosts?.delete(hostId)
    if (hosts?.size === 0) this.#hosts.delete(word)
  }
}

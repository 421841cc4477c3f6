import type { InstanceRecord } from '../../proto/gen/berth/journal/v1/journal_pb.ts'

/** Users of guests are counted from here: above what any distribution hands out by itself. */
const firstUid = 200_000
const lastUid = 298_999

/** A user for each guest. One that was just given out may not be in a record yet. */
export class UidPool {
  readonly #given = new Set<number>()

  allocate(records: readonly InstanceRecord[]): number {
    const taken = new Set(records.map((record) => record.pinned?.runAsUid))
    for (const uid of this.#given) if (taken.has(uid)) this.#given.delete(uid)
    for (let uid = firstUid; uid <= lastUid; uid += 1) {
      if (taken.has(uid) || this.#given.has(uid)) continue
      this.#given.add(uid)
      return uid
    }
    throw new Error(`All users for guests (${firstUid} to ${lastUid}) are taken.`)
  }
}

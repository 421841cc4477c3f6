// Who else is in the networks of this host, for their names. In: what the scheduler tells in a session, journalled so that
// names are known after a reboot without it. Out: what the network driver answers with.
import { create } from '@bufbuild/protobuf'
import type { Logger } from '../../lib/log.ts'
import type { NetworkMember, NetworkMembers } from '../../proto/gen/berth/agent/v1/network_pb.ts'
import { NetworkMembersRecordSchema } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { type Journal, recordVersion } from '../journal/journal.ts'
import type { NetworkUse } from './network-use.ts'

export class Members {
  /** By network, then by instance. */
  readonly #known = new Map<string, ReadonlyMap<string, NetworkMember>>()
  /** What the journal has of it. */
  readonly #kept = new Map<string, ReadonlyMap<string, NetworkMember>>()
  readonly #journal: Journal
  readonly #log: Logger

  constructor(options: { journal: Journal; log: Logger }) {
    this.#journal = options.journal
    this.#log = options.log
  }

  /** What an earlier agent was told; of networks that nothing here uses any more it is forgotten. */
  async recover(usedNetworks: ReadonlySet<string>): Promise<void> {
    for (const { uid, members } of await this.#journal.listMembers()) {
      if (!usedNetworks.has(uid)) await this.#journal.removeMembers(uid)
      else {
        const known = byInstance(members)
        this.#known.set(uid, known)
        this.#kept.set(uid, known)
      }
    }
  }

  of(networkUid: string): readonly NetworkMember[] {
    return [...(this.#known.get(networkUid)?.values() ?? [])]
  }

  async take(told: NetworkMembers, use: NetworkUse): Promise<void> {
    const { networkUid: uid } = told
    const before = this.#known.get(uid)
    const members = new Map(told.isComplete ? [] : before)
    for (const gone of told.goneInstanceUids) members.delete(gone)
    for (const member of told.members) members.set(member.instanceUid, member)
    if (before !== undefined && areSame(before, members)) return
    this.#known.set(uid, members)
    try {
      await use.changeMembers(uid)
    } catch (err) {
      // The next who joins the network, or its repair, serves what is known then.
      this.#log.error({ err, networkUid: uid }, "A network's members elsewhere could not be served.")
      return
    }
    this.#log.info({ networkUid: uid, members: members.size }, "A network's members elsewhere have changed.")
  }

  /** Of a network that is used here: known after a reboot too. */
  async keep(uid: string): Promise<void> {
    const members = this.#known.get(uid)
    const kept = this.#kept.get(uid)
    if (members === undefined || kept === members || members.size + (kept?.size ?? 0) === 0) return
    const record = create(NetworkMembersRecordSchema, { recordVersion, uid, members: [...members.values()] })
    await this.#journal.writeMembers(record)
    this.#kept.set(uid, members)
  }

  /** The last member has left this host. */
  async forget(networkUid: string): Promise<void> {
    this.#known.delete(networkUid)
    if (this.#kept.delete(networkUid)) await this.#journal.removeMembers(networkUid)
  }
}

const byInstance = (members: readonly NetworkMember[]): ReadonlyMap<string, NetworkMember> =>
  new Map(members.map((member) => [member.instanceUid, member]))

function areSame(
  one: ReadonlyMap<string, NetworkMember>,
  other: ReadonlyMap<string, NetworkMember>,
): boolean {
  return (
    one.size === other.size &&
    [...one].every(([uid, { hostname, addresses }]) => {
      const found = other.get(uid)
      return found?.hostname === hostname && found.addresses.join() === addresses.join()
    })
  )
}

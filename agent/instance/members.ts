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
      else this.#known.set(uid, byInstance(members))
    }
  }

  of(networkUid: string): readonly NetworkMember[] {
    return [...(this.#known.get(networkUid)?.values() ?? [])]
  }

  /** @throws where it could not be written or served: the next session tells all of it again */
  async take(told: NetworkMembers, use: NetworkUse): Promise<void> {
    const { networkUid: uid } = told
    const before = this.#known.get(uid)
    const members = new Map(told.isComplete ? [] : before)
    for (const gone of told.goneInstanceUids) members.delete(gone)
    for (const member of told.members) members.set(member.instanceUid, member)
    if (before !== undefined && areSame(before, members)) return
    this.#known.set(uid, members)
    const record = create(NetworkMembersRecordSchema, { recordVersion, uid, members: [...members.values()] })
    try {
      await this.#journal.writeMembers(record)
      await use.changeMembers(uid)
    } catch (thrown) {
      // Taken as news when it is told again.
      this.#known.delete(uid)
      throw thrown
    }
    this.#log.info({ networkUid: uid, members: members.size }, "A network's members elsewhere have changed.")
  }

  /** The last member has left this host. */
  async forget(networkUid: string): Promise<void> {
    if (this.#known.delete(networkUid)) await this.#journal.removeMembers(networkUid)
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

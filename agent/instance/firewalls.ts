// The newest rules of each network that this host was told of. In: commands, journalled before they are acknowledged, and
// the rules that come with every spec. Out: what the network driver enforces. It never goes back to older rules.
import { create } from '@bufbuild/protobuf'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Network } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Firewall } from '../../proto/gen/berth/agent/v1/network_pb.ts'
import { type Command, CommandOutcome } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import { NetworkRecordSchema } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { type Journal, recordVersion } from '../journal/journal.ts'
import type { NetworkUse } from './network-use.ts'

const retryMs = 10_000

export class Firewalls {
  readonly #known = new Map<string, Firewall>()
  readonly #retries = new Map<string, () => void>()
  readonly #journal: Journal
  readonly #clock: Clock
  readonly #log: Logger

  constructor(options: { journal: Journal; clock: Clock; log: Logger }) {
    this.#journal = options.journal
    this.#clock = options.clock
    this.#log = options.log
  }

  /** What an earlier agent was told; of networks that nothing here uses any more it is forgotten. */
  async recover(usedNetworks: ReadonlySet<string>): Promise<void> {
    for (const { uid, firewall } of await this.#journal.listNetworks()) {
      if (!usedNetworks.has(uid)) await this.#journal.removeNetwork(uid)
      else if (firewall) this.#known.set(uid, firewall)
    }
  }

  /** The network with the newest of its rules. */
  newest(network: Network): Network {
    const known = this.#known.get(network.uid)
    const given = network.firewall
    if (known && known.generation >= (given?.generation ?? 0)) return { ...network, firewall: known }
    if (given) this.#known.set(network.uid, given)
    return network
  }

  async accept({ body, uid, requestId }: Command, use: NetworkUse) {
    const firewall = body.case === 'ensureNetwork' ? body.value.firewall : undefined
    if (!firewall) return { outcome: CommandOutcome.INVALID, message: 'the command has no rules' }
    const known = this.#known.get(uid)
    if (known && firewall.generation <= known.generation) {
      return { outcome: CommandOutcome.STALE, message: `it is at generation ${known.generation}` }
    }
    await this.#journal.writeNetwork(create(NetworkRecordSchema, { recordVersion, uid, firewall }))
    this.#known.set(uid, firewall)
    this.#log.info({ networkUid: uid, generation: firewall.generation, requestId }, 'A firewall changes.')
    await this.#apply(uid, use)
    return { outcome: CommandOutcome.ACCEPTED, message: '' }
  }

  /** The last member has left this host. */
  async forget(networkUid: string): Promise<void> {
    this.#retries.get(networkUid)?.()
    if (this.#known.delete(networkUid)) await this.#journal.removeNetwork(networkUid)
  }

  close(): void {
    for (const cancel of this.#retries.values()) cancel()
  }

  /** Its members have the old rules until it succeeds. */
  async #apply(networkUid: string, use: NetworkUse): Promise<void> {
    this.#retries.get(networkUid)?.()
    this.#retries.delete(networkUid)
    const firewall = this.#known.get(networkUid)
    if (!firewall) return
    try {
      await use.changeFirewall(networkUid, firewall)
    } catch (thrown) {
      this.#log.error(
        { err: thrown, networkUid, retryMs },
        'A firewall could not be changed; it is tried again.',
      )
      this.#retries.set(
        networkUid,
        this.#clock.after(retryMs, () => void this.#apply(networkUid, use)),
      )
    }
  }
}

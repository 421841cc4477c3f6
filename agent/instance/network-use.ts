import type { Network } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { MetadataDriver } from '../drivers/metadata/port.ts'
import type { NetworkDriver } from '../drivers/network/port.ts'

/**
 * Which instances of this host use which network: the first brings the network here, the last takes it away. Joins and
 * leaves of one network go one after the other, so that nobody joins what is being removed.
 */
export class NetworkUse {
  readonly #users = new Map<string, Set<string>>()
  readonly #turns = new Map<string, Promise<void>>()
  readonly #network: NetworkDriver
  readonly #metadata: MetadataDriver

  constructor(options: { network: NetworkDriver; metadata: MetadataDriver }) {
    this.#network = options.network
    this.#metadata = options.metadata
  }

  /** From the journal, at start: it was joined by an earlier agent. */
  remember(networkUid: string, instanceUid: string): void {
    this.#usersOf(networkUid).add(instanceUid)
  }

  join(network: Network, instanceUid: string): Promise<void> {
    return this.#inTurn(network.uid, async () => {
      this.#usersOf(network.uid).add(instanceUid)
      await this.#network.ensureNetwork(network)
      await this.#metadata.ensureListening(network.uid, this.#network.namespaceOf(network.uid))
    })
  }

  leave(networkUid: string, instanceUid: string): Promise<void> {
    return this.#inTurn(networkUid, async () => {
      const users = this.#usersOf(networkUid)
      users.delete(instanceUid)
      if (users.size > 0) return
      this.#users.delete(networkUid)
      await this.#metadata.stopListening(networkUid)
      await this.#network.removeNetwork(networkUid)
    })
  }

  #usersOf(networkUid: string): Set<string> {
    const users = this.#users.get(networkUid) ?? new Set()
    this.#users.set(networkUid, users)
    return users
  }

  #inTurn(networkUid: string, work: () => Promise<void>): Promise<void> {
    const run = (this.#turns.get(networkUid) ?? Promise.resolve()).then(work, work)
    this.#turns.set(networkUid, run)
    const forget = () => {
      if (this.#turns.get(networkUid) === run) this.#turns.delete(networkUid)
    }
    run.then(forget, forget)
    return run
  }
}

import { equals } from '@bufbuild/protobuf'
import { createTurns } from '../../lib/turns.ts'
import { type Network, NetworkSchema } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Firewall } from '../../proto/gen/berth/agent/v1/network_pb.ts'
import type { MetadataDriver } from '../drivers/metadata/port.ts'
import type { NetworkDriver } from '../drivers/network/port.ts'
import type { Firewalls } from './firewalls.ts'
import type { Members } from './members.ts'

/**
 * Which instances of this host use which network: the first brings the network here, the last takes it away. Joins and
 * leaves of one network go one after the other, so that nobody joins what is being removed.
 */
export class NetworkUse {
  readonly #users = new Map<string, Set<string>>()
  /** As it was joined last. */
  readonly #networks = new Map<string, Network>()
  /** As this agent has built it, and has not found it broken since. */
  readonly #built = new Map<string, Network>()
  readonly #turns = createTurns()
  readonly #network: NetworkDriver
  readonly #metadata: MetadataDriver
  readonly #firewalls: Firewalls
  readonly #members: Members

  constructor(options: {
    network: NetworkDriver
    metadata: MetadataDriver
    firewalls: Firewalls
    members: Members
  }) {
    this.#network = options.network
    this.#firewalls = options.firewalls
    this.#members = options.members
    this.#metadata = options.metadata
  }

  /** From the journal, at start: it was joined by an earlier agent. */
  remember(network: Network, instanceUid: string): void {
    this.#networks.set(network.uid, network)
    this.#usersOf(network.uid).add(instanceUid)
  }

  /**
   * What was built for an earlier guest is taken for whole: to look at all of it takes a dozen programs, and whoever looks
   * for troubles sees within seconds if it is not.
   */
  join(network: Network, instanceUid: string): Promise<void> {
    return this.#turns.alone(network.uid, async () => {
      this.remember(network, instanceUid)
      const newest = this.#firewalls.newest(network)
      const built = this.#built.get(network.uid)
      if (built === undefined || !equals(NetworkSchema, built, newest)) await this.#build(newest)
      await this.#serveMembers(network.uid)
      await this.#metadata.ensureListening(network.uid, this.#network.namespaceOf(network.uid))
    })
  }

  /**
   * Looked at from end to end, for something of it has been found broken. Its metadata answers soon after that: to start
   * that service takes long where a host is busy, and ports need not wait.
   */
  mend(network: Network): Promise<void> {
    return this.#turns.alone(network.uid, async () => {
      await this.#build(this.#firewalls.newest(network))
      await this.#serveMembers(network.uid)
      // Its namespace may be another.
      this.#metadata.listenSoon(network.uid, this.#network.namespaceOf(network.uid))
    })
  }

  async #build(network: Network): Promise<void> {
    this.#built.delete(network.uid)
    await this.#network.ensureNetwork(network)
    this.#built.set(network.uid, network)
  }

  leave(networkUid: string, instanceUid: string): Promise<void> {
    return this.#turns.alone(networkUid, async () => {
      const users = this.#usersOf(networkUid)
      users.delete(instanceUid)
      if (users.size > 0) return
      this.#users.delete(networkUid)
      this.#networks.delete(networkUid)
      this.#built.delete(networkUid)
      await this.#metadata.stopListening(networkUid)
      await this.#network.removeNetwork(networkUid)
      await this.#firewalls.forget(networkUid)
      await this.#members.forget(networkUid)
    })
  }

  /** Of a network that nobody has joined yet, whoever joins first brings them. */
  changeMembers(networkUid: string): Promise<void> {
    return this.#turns.alone(networkUid, async () => {
      if (this.#users.has(networkUid)) await this.#serveMembers(networkUid)
    })
  }

  async #serveMembers(networkUid: string): Promise<void> {
    await this.#members.keep(networkUid)
    await this.#network.ensureMembers(networkUid, this.#members.of(networkUid))
  }

  /** Of a network that nobody has joined yet, whoever joins first brings them. */
  changeFirewall(networkUid: string, firewall: Firewall): Promise<void> {
    return this.#turns.alone(networkUid, async () => {
      const network = this.#networks.get(networkUid)
      if (network) await this.#build({ ...network, firewall })
    })
  }

  #usersOf(networkUid: string): Set<string> {
    const users = this.#users.get(networkUid) ?? new Set()
    this.#users.set(networkUid, users)
    return users
  }
}

import type { Network } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Firewall } from '../../../proto/gen/berth/agent/v1/network_pb.ts'

/** One NIC of one guest on this host. Names come from plan/names.ts. */
export interface PortPlan {
  readonly instanceUid: string
  readonly tap: string
  readonly macAddress: string
  readonly ipv4Address: string
  /** Empty where its network has no IPv6. */
  readonly ipv6Address: string
  readonly hostname: string
  readonly network: Network
  /** The guest's own user, who may open the tap. */
  readonly ownerUid: number
}

/**
 * Connects guests to networks. Declarative: every `ensure` may be repeated and leaves the same host; every `remove`
 * accepts what is already gone. Fails closed: a tap joins its bridge and goes up only after its filter is loaded.
 */
export interface NetworkDriver {
  /** Bridge, firewall, namespace, service address, DHCP: all that guests of this network need from this host. */
  ensureNetwork(network: Network): Promise<void>
  /** Other rules for a network that is here. @throws where the kernel can't filter: what was there stays */
  ensureFirewall(networkUid: string, firewall: Firewall): Promise<void>
  /** Tap, anti-spoofing filter, bridge membership, DHCP lease. The network is there already. */
  ensurePort(port: PortPlan): Promise<void>
  removePort(port: Pick<PortPlan, 'tap' | 'macAddress'> & { networkUid: string }): Promise<void>
  /** Takes the network off this host; the caller knows that no guest of it is left here. */
  removeNetwork(networkUid: string): Promise<void>
  /** The namespace that holds the network's services on this host. */
  namespaceOf(networkUid: string): string
}

import type { Network } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { NetworkMember } from '../../../proto/gen/berth/agent/v1/network_pb.ts'

/** One NIC of one guest on this host. Names come from plan/names.ts. */
export interface PortPlan {
  readonly instanceUid: string
  readonly tap: string
  readonly macAddress: string
  readonly ipv4Address: string
  /** Empty where its network has no IPv6. */
  readonly ipv6Address: string
  readonly hostname: string
  /** What passes in each direction; no limit where absent or 0. */
  readonly networkMbps?: number
  /** Of the NIC: its tap is of another kind where there are several. One where absent or 0. */
  readonly queues?: number
  readonly network: Network
  /** The guest's own user, who may open the tap. */
  readonly ownerUid: number
}

/** Something that is not as it was left, for somebody else has touched it. */
export type NetworkTrouble =
  /** The guest's NIC leads nowhere, and only a new start of the guest opens another. */
  | { readonly kind: 'tap-gone'; readonly tap: string }
  | { readonly kind: 'filter-gone'; readonly tap: string }
  /** Down, out of its bridge, or with another MTU. */
  | { readonly kind: 'port-down'; readonly tap: string }
  | { readonly kind: 'limit-gone'; readonly tap: string }
  /** Bridge, service port, gateway, or DHCP and DNS. */
  | { readonly kind: 'network-broken'; readonly networkUid: string }

/**
 * Connects guests to networks. Declarative: every `ensure` may be repeated and leaves the same host; every `remove`
 * accepts what is already gone. Fails closed: a tap joins its bridge and goes up only after its filter is loaded.
 */
export interface NetworkDriver {
  /**
   * Bridge, firewall, namespace, service address, gateway, DHCP: all that guests of this network need from this host.
   * @throws where the kernel can't filter: the rules that were there stay
   */
  ensureNetwork(network: Network): Promise<void>
  /** Those on other hosts: their names are answered here from now on, and no others. */
  ensureMembers(networkUid: string, members: readonly NetworkMember[]): Promise<void>
  /**
   * Tap, anti-spoofing filter, rate limit, bridge membership, DHCP lease. The network is there already. `onTap` is called
   * once the tap can be opened, down and in no bridge where it is new; it may be called again where it is tried again.
   */
  ensurePort(port: PortPlan, onTap?: () => void): Promise<void>
  removePort(port: Pick<PortPlan, 'tap' | 'macAddress'> & { networkUid: string }): Promise<void>
  /** Looks, and changes nothing, except that a port whose filter is gone goes down at once. */
  findTroubles(ports: readonly PortPlan[]): Promise<readonly NetworkTrouble[]>
  /** What the kernel doesn't tell of when it breaks: cheap, however many guests there are. Changes nothing. */
  findDeadServices(networks: readonly Network[]): Promise<readonly NetworkTrouble[]>
  /** Takes the network off this host; the caller knows that no guest of it is left here. */
  removeNetwork(networkUid: string): Promise<void>
  /** The namespace that holds the network's services on this host. */
  namespaceOf(networkUid: string): string
}

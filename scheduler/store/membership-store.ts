// Who is in which network, as the store's port has it: what hosts are told of one another's guests, and no more of them.
import type { HostId, InstanceUid, NetworkUid } from '../../proto/ids.ts'
import type { ChangesAfter } from './store.ts'

export interface MembershipStore {
  /** The latest of what has changed since, in the order of the changes. */
  readMembershipsAfter(input: { after: number; limit: number }): Promise<ChangesAfter<MembershipChange>>
  /** Instances of this network that hold something, and on which host. */
  listNetworkMembers(network: NetworkUid): Promise<readonly NetworkMembership[]>
  /** Those that have any of them. */
  listNetworkHosts(network: NetworkUid): Promise<readonly HostId[]>
  /** Of the instances placed on this host that still hold something there. */
  listNetworksOnHost(hostId: HostId): Promise<readonly NetworkUid[]>
}

export interface NetworkMembership {
  readonly uid: InstanceUid
  readonly hostId: HostId
  readonly hostname: string
  readonly nics: readonly { readonly network: NetworkUid; readonly addresses: readonly string[] }[]
}

export type MembershipChange =
  | { readonly kind: 'member'; readonly change: number; readonly member: NetworkMembership }
  /** It holds nothing any more, or is gone. */
  | {
      readonly kind: 'gone'
      readonly change: number
      readonly uid: InstanceUid
      /** That it was in. */
      readonly networks: readonly NetworkUid[]
    }

import type { Ec2Tree } from '../../plan/ec2-tree.ts'
import type { Flavour } from '../../plan/flavour.ts'
import type { GceTree } from '../../plan/gce-tree.ts'
import type { IdentityClaims } from '../../plan/identity-claims.ts'

/** What one guest may be told, in the words of each service that guests know. */
export interface MetadataDocument {
  readonly instanceUid: string
  readonly nocloud: {
    readonly 'meta-data': string
    readonly 'user-data': string
    readonly 'vendor-data': string
    readonly 'network-config': string
  }
  readonly gce: GceTree
  readonly ec2: Ec2Tree
  /** By the name of the file. */
  readonly openstack: Readonly<Record<string, string>>
  /** The one that the guest's machine announces. */
  readonly flavour: Flavour
  /** What its signed identity says. */
  readonly identity: IdentityClaims
  /** Where the guest may put attributes; absent where it may not. */
  readonly attributeSlots?: readonly [string, string]
}

/**
 * The agent's side of the metadata service, which is a process of its own and outlives the agent.
 * A guest is known by its network and its source address on it.
 */
export interface MetadataDriver {
  /** The service runs and answers on 169.254.169.254:80 in that namespace. */
  ensureListening(networkUid: string, namespace: string): Promise<void>
  /** The same for whoever has not the time to wait: it is tried until it does. */
  listenSoon(networkUid: string, namespace: string): void
  stopListening(networkUid: string): Promise<void>
  /** Visible to the guest's next request when this resolves. */
  publish(networkUid: string, ipv4Address: string, document: MetadataDocument): Promise<void>
  withdraw(networkUid: string, ipv4Address: string): Promise<void>
}

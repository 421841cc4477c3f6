// The part of the store's port that keeps resources: see store.ts for what all of it promises.
import type { Readable } from 'node:stream'
import type { NetworkUid, ProjectId, ResourceUid } from '../../proto/ids.ts'
import type { PolicyNeed } from '../model/firewall.ts'
import type {
  Collection,
  ReservationSlot,
  StoredAddress,
  StoredReservation,
  StoredResource,
} from '../model/resource.ts'
import type { ClaimLost, IdempotencyKey, QuotaExceeded } from './store.ts'

export interface ResourceStore {
  /** What the settings file has, as of now. What it had earlier goes if nothing uses it, and else is the API's to delete. */
  declareResources(input: {
    readonly resources: readonly DeclaredResource[]
    readonly nowMs: number
  }): Promise<void>
  /** What has changed after that number, and the number to ask from next. 0 gives all. */
  readResourcesAfter(change: number): Promise<ResourceChanges>
  /** All of them or none, in this order: a network can come before its subnet. */
  createResources(inputs: readonly CreateResource[]): Promise<CreateResourcesOutcome>
  /** A merge patch of its body: what is null goes, what is absent stays. */
  updateResource(input: UpdateResource): Promise<UpdateResourceOutcome>
  /** All of them or none, in this order. Never what is used. */
  deleteResources(inputs: readonly DeleteResource[]): Promise<DeleteResourcesOutcome>
  findResourceByKey(input: IdempotencyKey): Promise<ResourceKeyOutcome>
  /** Reserved ones, with who has them. */
  listAddresses(project: ProjectId): Promise<readonly StoredAddress[]>
  /** With what each holds, and who is in it. */
  listReservations(project: ProjectId): Promise<readonly StoredReservation[]>
}

export type DeclaredResource = Pick<StoredResource, 'uid' | 'collection' | 'scope' | 'id' | 'body'> & {
  readonly parent?: Pick<StoredResource, 'uid' | 'collection' | 'scope' | 'id'>
}

export interface ResourceChanges {
  readonly change: number
  readonly resources: readonly StoredResource[]
  readonly deleted: readonly ResourceUid[]
}

/** What a new resource takes of something scarce; the store writes what it got into the body. */
export type Taking =
  /** body.vlan: the asked one, or the lowest free one of the pool; 0 without a pool. */
  | {
      readonly kind: 'vlan'
      readonly asked?: number
      readonly pool?: { readonly first: number; readonly last: number }
    }
  /**
   * body.ipv4Cidr: the asked one, or the lowest of that size in the pool that no subnet of the project overlaps; nor
   * has one of them the same body.ipv6Cidr.
   */
  | { readonly kind: 'cidr'; readonly asked?: string; readonly pool: string; readonly prefixLength: number }
  /** body.address: the asked one, or the lowest free one. */
  | {
      readonly kind: 'address'
      readonly networkUid: NetworkUid
      readonly ipv4Cidr: string
      readonly reservedIpv4: readonly string[]
      readonly requestedIpv4?: string
    }
  /** Room and devices on hosts, of the project's quota. */
  | { readonly kind: 'capacity'; readonly project: ProjectId; readonly slots: readonly ReservationSlot[] }

/** What a change of a network's policy meets. */
export interface HostsLackFeature {
  readonly kind: 'hosts-lack-feature'
  readonly need: PolicyNeed
  /** How many that have members of it. */
  readonly hosts: number
}

/** An accelerator type of the zone has it already. */
export interface PciIdTaken {
  readonly kind: 'pci-id-taken'
  readonly pciId: string
  readonly type: string
}

export interface InUse {
  readonly kind: 'in-use'
  /** The first few of those that use it. */
  readonly by: readonly { readonly noun: string; readonly id: string }[]
}

export interface CreateResource {
  readonly idempotency?: IdempotencyKey
  /** For what hosts are told because of it. */
  readonly requestId?: string
  readonly uid: ResourceUid
  readonly collection: Collection
  readonly scope: string
  readonly id: string
  readonly parentUid?: ResourceUid
  readonly body: StoredResource['body']
  readonly taking?: Taking
  readonly nowMs: number
}

export type CreateResourcesOutcome =
  | { readonly kind: 'created'; readonly resources: readonly StoredResource[] }
  | Exclude<ResourceKeyOutcome, { kind: 'unused' }>
  | { readonly kind: 'name-taken'; readonly id: string }
  /** What it was to belong to has gone meanwhile. */
  | { readonly kind: 'parent-gone' }
  | { readonly kind: 'vlan-taken'; readonly vlan: number }
  | { readonly kind: 'vlans-exhausted' }
  | {
      readonly kind: 'cidr-overlaps'
      readonly field: 'ipv4Cidr' | 'ipv6Cidr'
      readonly cidr: string
      readonly subnet: string
    }
  | { readonly kind: 'cidrs-exhausted' }
  /** The network has one already. */
  | { readonly kind: 'has-subnet'; readonly subnet: string }
  | { readonly kind: 'address-taken'; readonly nic: number; readonly address: string }
  | { readonly kind: 'addresses-exhausted'; readonly nic: number }
  | PciIdTaken
  | HostsLackFeature
  | ClaimLost
  | QuotaExceeded

export interface UpdateResource {
  readonly idempotency?: IdempotencyKey
  readonly requestId?: string
  readonly uid: ResourceUid
  readonly ifRevision?: number
  readonly patch: Readonly<Record<string, unknown>>
  readonly nowMs: number
}

export type UpdateResourceOutcome =
  | { readonly kind: 'updated'; readonly resource: StoredResource }
  | Exclude<ResourceKeyOutcome, { kind: 'unused' }>
  | { readonly kind: 'not-found' }
  | { readonly kind: 'revision-mismatch'; readonly revision: number }
  | PciIdTaken
  /** Of what the patch would take away. */
  | InUse
  | HostsLackFeature

export interface DeleteResource {
  readonly idempotency?: IdempotencyKey
  readonly requestId?: string
  readonly uid: ResourceUid
  readonly ifRevision?: number
  readonly nowMs: number
}

export type DeleteResourcesOutcome =
  | { readonly kind: 'deleted' }
  | Exclude<ResourceKeyOutcome, { kind: 'unused' | 'replay' }>
  | { readonly kind: 'not-found' }
  | { readonly kind: 'revision-mismatch'; readonly revision: number }
  | InUse

export type ResourceKeyOutcome =
  | { readonly kind: 'unused' }
  | { readonly kind: 'replay'; readonly resource: StoredResource }
  | { readonly kind: 'gone'; readonly uid: string }
  | { readonly kind: 'other-request' }

export type WriteBlobOutcome =
  | { readonly kind: 'kept'; readonly bytes: number }
  | { readonly kind: 'mismatch'; readonly sha256: string }
  | { readonly kind: 'too-large'; readonly limitBytes: number }
  | { readonly kind: 'no-space' }
  /** The stream ended before its time. */
  | { readonly kind: 'cut' }

export interface BlobStore {
  /** On disk, whole and right, or not at all. */
  write(sha256: string, source: Readable): Promise<WriteBlobOutcome>
  read(sha256: string): Promise<{ readonly stream: Readable; readonly bytes: number } | undefined>
  remove(sha256: string): Promise<void>
}

// The only durable truth. Methods are named for what they guarantee; a promise that resolves means that the outcome
// is on disk. Many calls made at once share one transaction and one flush, each with an outcome of its own.
// Implementations pass test/contract/store.ts. No caller sees SQL, rows or transactions.

import type { DiskObservation } from '../../proto/gen/berth/agent/v1/disk_pb.ts'
import type {
  Disk,
  Image,
  InstanceObservation,
  InstanceSpec,
} from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type {
  DiskUid,
  HostId,
  InstanceUid,
  NetworkUid,
  OperationId,
  PciAddress,
  ProjectId,
  ResourceUid,
} from '../../proto/ids.ts'
import type { ChangeVerb } from '../lifecycle/verbs.ts'
import type { AuditEntry } from '../model/audit.ts'
import type { DiskRecord } from '../model/disk.ts'
import type { Filter, Order, PageStart } from '../model/filter.ts'
import type { InstanceDetails, InstanceDisk, InstanceEvent, InstanceRecord } from '../model/instance.ts'
import type { OperationRecord } from '../model/operation.ts'
import type { CellShare, Demand, PlacementExplanation } from '../model/placement.ts'
import type { QueuedCommand } from '../model/queued-command.ts'
import type { Quota } from '../model/quota.ts'
import type { DeviceStore } from './device-store.ts'
import type { HostStore } from './host-store.ts'
import type { MembershipStore } from './membership-store.ts'
import type { ResourceStore } from './resource-store.ts'
import type { WaitingStore } from './waiting-store.ts'

/** More than all of a host's instances can have waiting. */
export const outboxLimit = 10_000

/** The store can't carry out a call at this moment, or can't say what became of it: it may or may not be on disk. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}

export interface Store extends HostStore, ResourceStore, DeviceStore, WaitingStore, MembershipStore {
  // Instances
  /** Instance, claims, addresses, first command, event and idempotency key: all or nothing. */
  commitPlacement(input: CommitPlacement): Promise<CommitPlacementOutcome>
  /** All of them or none. */
  commitPlacements(inputs: readonly CommitPlacement[]): Promise<CommitPlacementsOutcome>
  /** What this key was used for, without changing anything. Keys are remembered for 48 hours at least. */
  findByIdempotencyKey(input: IdempotencyKey): Promise<IdempotencyOutcome>
  /** A verb on an instance: state, claims, command, event, operation and idempotency key, all or nothing. */
  changeInstance(input: ChangeInstance): Promise<ChangeInstanceOutcome>
  findInstance(project: ProjectId, idOrUid: string): Promise<InstanceRecord | undefined>
  /** In the order asked; where pages begin is stable under concurrent writes. */
  listInstances(input: ListInstances): Promise<readonly InstanceRecord[]>
  listEvents(uid: InstanceUid): Promise<readonly InstanceEvent[]>

  // Disks
  /** A disk that is on no host yet, its quota and its idempotency key. */
  createDisk(input: CreateDisk): Promise<CreateDiskOutcome>
  /** Of one that an instance has, the size is changed with the instance. */
  updateDisk(input: UpdateDisk): Promise<UpdateDiskOutcome>
  deleteDisk(input: DeleteDisk): Promise<DeleteDiskOutcome>
  findDisk(project: ProjectId, idOrUid: string): Promise<DiskRecord | undefined>
  findDiskByKey(input: IdempotencyKey): Promise<DiskKeyOutcome>
  /** By name. */
  listDisks(input: ListDisks): Promise<readonly DiskRecord[]>

  // Quotas
  listQuotas(project: ProjectId): Promise<readonly Quota[]>
  setQuotas(input: SetQuotas): Promise<readonly Quota[]>

  // Audit
  /** Kept for 400 days. */
  appendAudit(entry: AuditEntry): Promise<void>
  /** Newest first. */
  listAudit(input: ListAudit): Promise<readonly AuditEntry[]>

  /** Kept for 30 days after their end. */
  findOperation(project: ProjectId, id: OperationId): Promise<OperationRecord | undefined>
  /** Newest first. */
  listOperations(input: ListOperations): Promise<readonly OperationRecord[]>
  /** The latest state of what has changed since, in the order of the changes. */
  readChangesAfter(input: { after: number; limit: number }): Promise<ChangesAfter<InstanceChange>>
  /** The newest change. */
  readChangePosition(): Promise<number>
  /** Live instances whose status has lasted since before the moment: for deadlines. */
  listInStatusSince(input: {
    statuses: readonly string[]
    beforeMs: number
  }): Promise<readonly InstanceRecord[]>
  /** Replaces the sentence of a status that lasts, if revision is still the one seen. */
  setStatusMessage(input: {
    uid: InstanceUid
    revision: number
    reason: string
    message: string
    nowMs: number
  }): Promise<void>

  // The stream
  /** Commands of this host from that sequence on, in order, at most `limit`. */
  readOutbox(input: {
    hostId: HostId
    fromSequence: number
    limit: number
  }): Promise<readonly QueuedCommand[]>
  /** Those that have not acknowledged everything. */
  listHostsWithCommands(): Promise<readonly HostId[]>
  /** Everything up to this sequence is in the agent's journal. */
  acknowledgeCommands(input: { hostId: HostId; throughSequence: number }): Promise<void>
  /** Runs the lifecycle table over what the host observes; stale epochs and generations are dropped. */
  applyObservation(input: ApplyObservation): Promise<ApplyObservationOutcome>
  /** Instances placed on this host that still hold something there. */
  listInstancesOnHost(hostId: HostId): Promise<readonly InstanceRecord[]>

  /** The proof that a disk is gone removes it; what a host says of another is dropped. */
  applyDiskObservation(input: ApplyDiskObservation): Promise<ApplyDiskObservationOutcome>
  /** Disks that this host is to remove. */
  listDisksToRemove(hostId: HostId): Promise<readonly (DiskRecord & { readonly generation: number })[]>

  /** Called soon after something was written; never told what. The result stops it. */
  onWrite(listener: () => void): () => void
  close(): Promise<void>
}

export interface IdempotencyKey {
  readonly project: ProjectId
  /** The principal that made the request: keys of others are never found. */
  readonly principal: string
  readonly key: string
  /** Hash of method, path and canonical body. */
  readonly requestHash: string
}

export type IdempotencyOutcome =
  | { readonly kind: 'unused' }
  | { readonly kind: 'replay'; readonly instance: InstanceRecord; readonly operationId: OperationId }
  /** Its instance has been deleted since: making another would not be repeating. */
  | { readonly kind: 'gone'; readonly uid: InstanceUid }
  | { readonly kind: 'other-request' }

/** A NIC's claim: the store picks the address where none is asked. */
export interface AddressClaim {
  readonly networkUid: NetworkUid
  readonly ipv4Cidr: string
  /** Never handed out: gateway, service address. Network and broadcast address go without saying. */
  readonly reservedIpv4: readonly string[]
  readonly requestedIpv4?: string
  readonly macAddress: string
}

export interface CommitPlacement {
  readonly idempotency?: IdempotencyKey
  readonly uid: InstanceUid
  readonly project: ProjectId
  readonly id: string
  readonly details: InstanceDetails
  /** nics[i].ipv4Address is filled in from addresses[i]; details.nics[i] likewise. */
  readonly spec: InstanceSpec
  readonly addresses: readonly AddressClaim[]
  /** Its project, networks, subnets and images: none of them goes before it. */
  readonly uses: readonly ResourceUid[]
  readonly hostId: HostId
  readonly demand: Demand
  readonly devices: readonly PciAddress[]
  readonly explanation: PlacementExplanation
  readonly statusMessage: string
  readonly operationId: OperationId
  readonly commandId: string
  readonly requestId: string
  readonly principal: string
  readonly stopDeadlineMs: number
  /** Written with it, where it is committed and nowhere else. */
  readonly audit?: AuditEntry
  readonly nowMs: number
}

export type CommitPlacementOutcome =
  | { readonly kind: 'committed'; readonly instance: InstanceRecord; readonly command: QueuedCommand }
  | Exclude<IdempotencyOutcome, { kind: 'unused' }>
  | { readonly kind: 'name-taken'; readonly uid: InstanceUid }
  /** Something that it uses has been deleted meanwhile. */
  | { readonly kind: 'resource-gone' }
  | { readonly kind: 'address-taken'; readonly nic: number; readonly address: string }
  | { readonly kind: 'addresses-exhausted'; readonly nic: number }
  /** By chance: they are drawn from 2^31. */
  | { readonly kind: 'mac-taken' }
  | DiskRefused
  | QuotaExceeded
  | ClaimLost

export type CommitPlacementsOutcome =
  | { readonly kind: 'committed'; readonly instances: readonly InstanceRecord[] }
  /** The first that could not be. */
  | {
      readonly kind: 'not-committed'
      readonly index: number
      readonly outcome: Exclude<CommitPlacementOutcome, { kind: 'committed' }>
    }

/** The snapshot was old: place again on a fresh one. */
export interface ClaimLost {
  readonly kind: 'claim-lost'
  readonly what:
    | ('host' | 'vcpus' | 'memory' | 'cell' | 'disk' | 'device')
    | ('labels' | 'isolation' | 'affinity' | 'anti-affinity')
  readonly message: string
}

export interface QuotaExceeded {
  readonly kind: 'quota-exceeded'
  readonly metric: string
  readonly limit: number
  readonly used: number
  /** More than there is. */
  readonly asked: number
}

/** Why an instance can't have a disk: a sentence. */
export interface DiskRefused {
  readonly kind: 'disk-refused'
  readonly reason: 'DISK_IN_USE' | 'DISK_ON_OTHER_HOST' | 'DEVICE_NAME_TAKEN' | 'WRONG_STATE'
  readonly message: string
}

export interface CreateDisk
  extends Pick<DiskRecord, 'uid' | 'project' | 'id' | 'zone' | 'sizeGb' | 'labels'> {
  readonly idempotency?: IdempotencyKey
  /** Neither goes before it. */
  readonly projectUid: ResourceUid
  readonly imageUid?: ResourceUid
  readonly source?: string
  readonly image?: Image
  readonly description?: string
  readonly nowMs: number
}

export type DiskKeyOutcome =
  | { readonly kind: 'unused' }
  | { readonly kind: 'replay'; readonly disk: DiskRecord; readonly operationId: OperationId }
  | { readonly kind: 'gone'; readonly uid: string }
  | { readonly kind: 'other-request' }

export type CreateDiskOutcome =
  | { readonly kind: 'created'; readonly disk: DiskRecord }
  | Exclude<DiskKeyOutcome, { kind: 'unused' }>
  | { readonly kind: 'name-taken' }
  /** Its project or its image has been deleted meanwhile. */
  | { readonly kind: 'resource-gone' }
  | QuotaExceeded

export interface UpdateDisk {
  readonly project: ProjectId
  readonly idOrUid: string
  readonly idempotency?: IdempotencyKey
  readonly ifRevision: number
  readonly sizeGb: number
  readonly description?: string
  readonly labels: Readonly<Record<string, string>>
  readonly nowMs: number
}

export type UpdateDiskOutcome =
  | { readonly kind: 'updated'; readonly disk: DiskRecord }
  | Exclude<DiskKeyOutcome, { kind: 'unused' }>
  | { readonly kind: 'not-found' }
  | { readonly kind: 'revision-mismatch'; readonly revision: number }
  /** An instance has it since: its size is changed with the instance. */
  | { readonly kind: 'in-use' }
  | QuotaExceeded
  | ClaimLost

export interface DeleteDisk {
  readonly project: ProjectId
  readonly idOrUid: string
  readonly ifRevision?: number
  readonly operationId: OperationId
  readonly commandId: string
  readonly requestId: string
  readonly principal: string
  readonly nowMs: number
}

export type DeleteDiskOutcome =
  /** No host had it. */
  | { readonly kind: 'gone'; readonly disk: DiskRecord }
  /** Gone when its host has proved it. */
  | { readonly kind: 'deleting'; readonly disk: DiskRecord }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'revision-mismatch'; readonly revision: number }
  | { readonly kind: 'in-use'; readonly instance: string }

export interface ListDisks {
  readonly project: ProjectId
  readonly afterId?: string
  readonly limit: number
}

export interface ApplyDiskObservation {
  readonly hostId: HostId
  readonly observation: DiskObservation
  readonly nowMs: number
}

export type ApplyDiskObservationOutcome =
  | { readonly kind: 'removed' | 'applied' | 'unchanged' }
  | { readonly kind: 'stale' | 'unknown'; readonly message: string }

export interface SetQuotas {
  readonly project: ProjectId
  /** Metric → the most; null for as much as there is. What is not named stays. */
  readonly limits: Readonly<Record<string, number | null>>
}

export interface ChangeInstance {
  readonly verb: ChangeVerb
  readonly project: ProjectId
  readonly idOrUid: string
  readonly idempotency?: IdempotencyKey
  /** Refuse unless the instance is at this revision. */
  readonly ifRevision?: number
  /** GPUs for a start of an instance that holds storage only, in the words of the spec. */
  readonly gpus?: readonly { readonly type: string; readonly address: PciAddress }[]
  /** NUMA cells for such a start. */
  readonly cells?: readonly CellShare[]
  /** Of an update: the whole of what can change. */
  readonly details?: InstanceDetails
  /** Of attachDisk: the disk in the API's words and the host's; the device's name is made up where absent. */
  readonly attach?: {
    readonly diskUid: DiskUid
    readonly deviceName?: string
    readonly details: Omit<InstanceDisk, 'deviceName'>
    readonly spec: Disk
  }
  readonly detach?: { readonly deviceName: string }
  /** Of resizeDisk: all that can change of the disk, as it is to be. */
  readonly resize?: Pick<UpdateDisk, 'sizeGb' | 'description' | 'labels' | 'ifRevision'> & {
    readonly diskUid: DiskUid
  }
  /** End the guest at once. */
  readonly isForced?: boolean
  /** Of a stop for work on the host: how long before it the guest is told. */
  readonly maintenanceNoticeMs?: number
  readonly operationId: OperationId
  readonly commandId: string
  readonly requestId: string
  readonly principal: string
  readonly stopDeadlineMs: number
  readonly nowMs: number
}

export type ChangeInstanceOutcome =
  | { readonly kind: 'accepted'; readonly instance: InstanceRecord }
  | Exclude<IdempotencyOutcome, { kind: 'unused' }>
  | { readonly kind: 'not-found' }
  | { readonly kind: 'revision-mismatch'; readonly revision: number }
  /** Not in this state, with a sentence. */
  | { readonly kind: 'wrong-state'; readonly message: string }
  | DiskRefused
  | QuotaExceeded
  | ClaimLost

export interface ListAudit {
  readonly project?: ProjectId
  readonly principal?: string
  readonly requestId?: string
  /** Only older ones. */
  readonly beforeId?: string
  readonly limit: number
}

export interface ListOperations {
  readonly project: ProjectId
  /** Only older ones. */
  readonly beforeId?: OperationId
  readonly limit: number
}

export interface ListInstances {
  readonly project: ProjectId
  readonly filter?: Filter
  /** By time of making where absent. */
  readonly order?: Order
  readonly after?: PageStart
  readonly limit: number
}

/** Numbers rise in commit order. */
export type InstanceChange =
  | { readonly kind: 'changed'; readonly change: number; readonly instance: InstanceRecord }
  | {
      readonly kind: 'deleted'
      readonly change: number
      readonly uid: InstanceUid
      readonly project: ProjectId
      readonly id: string
    }

export type ChangesAfter<Change> =
  /** `through`: where to go on from; it may be beyond the last of them. */
  | { readonly kind: 'changes'; readonly changes: readonly Change[]; readonly through: number }
  /** That long ago, or in no history of this store: whoever asks has to read everything anew. */
  | { readonly kind: 'forgotten'; readonly last: number }

export interface ApplyObservation {
  readonly hostId: HostId
  readonly observation: InstanceObservation
  readonly nowMs: number
}

export type ApplyObservationOutcome =
  | { readonly kind: 'applied'; readonly instance: InstanceRecord }
  /** Torn down as asked: the row and its claims are gone. */
  | { readonly kind: 'removed'; readonly uid: InstanceUid }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'stale'; readonly message: string }
  /** No such instance here, or it belongs to another host: reported, never killed. */
  | { readonly kind: 'unknown'; readonly message: string }

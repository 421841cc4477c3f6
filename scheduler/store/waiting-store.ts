// Those who wait for capacity, as the store's port has them: how one comes, is placed, or gives up.
import type { HostId, InstanceUid } from '../../proto/ids.ts'
import type { InstanceRecord } from '../model/instance.ts'
import type { CellShare, Demand, GrantedDevice, PlacementExplanation } from '../model/placement.ts'
import type { QueuedCommand } from '../model/queued-command.ts'
import type { WaitingInstance } from '../model/waiting.ts'
import type { ClaimLost, CommitPlacement, CommitPlacementOutcome, DiskRefused } from './store.ts'

export interface WaitingStore {
  /**
   * A PENDING instance with its name, addresses, quota and idempotency key: all that a host has no part in, or nothing.
   */
  enqueueInstance(input: EnqueueInstance): Promise<EnqueueInstanceOutcome>
  /** The longest first. */
  listWaiting(): Promise<readonly WaitingInstance[]>
  /** What it takes of its host, and the first command: all or nothing. */
  placeWaiting(input: PlaceWaiting): Promise<PlaceWaitingOutcome>
  /** FAILED: it waits no longer, and has only its name. */
  giveUpWaiting(input: GiveUpWaiting): Promise<GiveUpWaitingOutcome>
  /** New sentences for those who still wait; no change of anything else. */
  tellWaiting(input: {
    readonly sentences: readonly { readonly uid: InstanceUid; readonly message: string }[]
    readonly nowMs: number
  }): Promise<void>
}

export interface EnqueueInstance extends Omit<CommitPlacement, 'hostId' | 'devices' | 'commandId'> {
  /** What is to be placed: with the needs of disks that outlive it. */
  readonly wish: Demand
  readonly untilMs: number
}

export type EnqueueInstanceOutcome =
  | { readonly kind: 'waiting'; readonly instance: InstanceRecord }
  /** As many of its project wait already. */
  | { readonly kind: 'queue-full'; readonly maximum: number }
  | Exclude<CommitPlacementOutcome, { kind: 'committed' } | ClaimLost | DiskRefused>

export interface PlaceWaiting {
  readonly uid: InstanceUid
  readonly hostId: HostId
  readonly devices: readonly GrantedDevice[]
  readonly cells?: readonly CellShare[]
  readonly explanation: PlacementExplanation
  readonly commandId: string
  readonly statusMessage: string
  readonly nowMs: number
}

export type PlaceWaitingOutcome =
  | { readonly kind: 'placed'; readonly instance: InstanceRecord; readonly command: QueuedCommand }
  /** It waits no longer. */
  | { readonly kind: 'not-waiting' }
  | ClaimLost
  | DiskRefused

export interface GiveUpWaiting {
  readonly uid: InstanceUid
  readonly reason: string
  readonly message: string
  readonly nowMs: number
}

export type GiveUpWaitingOutcome =
  | { readonly kind: 'given-up'; readonly instance: InstanceRecord }
  | { readonly kind: 'not-waiting' }

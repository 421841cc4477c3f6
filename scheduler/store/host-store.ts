// Hosts, as the store's port has them: what they say of themselves, what is taken of them, and news of both.
import type { HostId, PciAddress, ZoneId } from '../../proto/ids.ts'
import type { LabelPatch, Labels } from '../model/label-patch.ts'
import type { CellShare, HostSnapshot, HostState, Uplink } from '../model/placement.ts'

/** Of one host. */
export const maximumHostLabels = 64

export interface HostStore {
  registerHost(input: RegisterHost): Promise<RegisterHostOutcome>
  /** Ready or cordoned; a fenced host becomes neither by this. */
  setHostState(input: SetHostState): Promise<SetHostStateOutcome>
  /** Of what is placed there already, nothing moves. */
  labelHost(input: LabelHost): Promise<LabelHostOutcome>
  /**
   * Gives up what is placed on a host that an operator has declared gone: everything it held is free, its instances have
   * FAILED, and those that were being deleted are gone.
   */
  fenceHost(input: FenceHost): Promise<FenceHostOutcome>
  /** Hosts changed after that revision, and the revision to ask from next. 0 gives all. */
  readHostsChangedAfter(revision: number): Promise<{ revision: number; hosts: readonly StoredHost[] }>
  /**
   * Called with the hosts of each transaction that has changed some, in the order of transactions, and before whoever has
   * made its calls hears what became of them. The result stops it.
   */
  onHostsChanged(listener: (hosts: readonly StoredCapacity[]) => void): () => void
}

export interface RegisterHost {
  readonly hostId: HostId
  /** One that is there. */
  readonly zone: ZoneId
  readonly journalUuid: string
  /** What the host has in its journal already: a store that is new to it goes on from there. */
  readonly lastCommandSequence: number
  readonly bootId: string
  readonly agentVersion: string
  /** HostFacts, binary: kept for operators, never read by placement. */
  readonly facts: Uint8Array
  readonly features?: readonly string[]
  readonly uplinks?: readonly Uplink[]
  readonly partitions?: HostSnapshot['partitions']
  readonly architecture: string
  /** Before its zone's overcommit. */
  readonly vcpus: number
  readonly memoryMib: number
  readonly diskGb: number
  /** Of a host that has several: what there is for guests, before its zone's overcommit. */
  readonly cells?: readonly CellShare[]
  readonly devices: readonly {
    readonly address: PciAddress
    /** `vendor:device`: what the zone's types make of it. */
    readonly pciId: string
    readonly numaNode: number
    /** The address of its port to the host; absent where it is below none. */
    readonly switchId?: string
  }[]
  readonly nowMs: number
}

export type RegisterHostOutcome =
  | {
      readonly kind: 'registered'
      readonly epoch: number
      /** The lowest sequence whose command is not acknowledged, or the next to be assigned. */
      readonly nextCommandSequence: number
    }
  | {
      readonly kind: 'refused'
      readonly reason: 'UNKNOWN_ZONE' | 'JOURNAL_CHANGED' | 'ZONE_CHANGED' | 'HOST_FENCED'
      readonly message: string
    }

export interface SetHostState {
  readonly hostId: HostId
  readonly state: Exclude<HostState, 'fenced'>
  readonly nowMs: number
}

export type SetHostStateOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'fenced' }

export interface LabelHost {
  readonly hostId: HostId
  readonly patch: LabelPatch
  readonly nowMs: number
}

export type LabelHostOutcome =
  | { readonly kind: 'done'; readonly labels: Labels }
  /** More than a host has. */
  | { readonly kind: 'too-many' }
  | { readonly kind: 'not-found' }

export interface FenceHost {
  readonly hostId: HostId
  readonly requestId: string
  readonly nowMs: number
}

export type FenceHostOutcome =
  | { readonly kind: 'fenced'; readonly instances: number }
  | { readonly kind: 'not-found' }

/** What placement looks at, but for `connected`, which only the sessions know. */
export interface StoredCapacity extends Omit<HostSnapshot, 'connected'> {
  /** Rises with every change. */
  readonly revision: number
}

export interface StoredHost extends StoredCapacity {
  readonly journalUuid: string
  readonly bootId: string
  readonly agentVersion: string
  readonly epoch: number
  readonly facts: Uint8Array
  readonly updatedAtMs: number
}

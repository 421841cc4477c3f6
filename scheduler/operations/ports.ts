import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import type { Turns } from '../../lib/turns.ts'
import type { HostId, InstanceUid } from '../../proto/ids.ts'
import type { LiveCatalogue } from '../catalogue/live-catalogue.ts'
import type { Demand, HostRefusal, HostSnapshot, PlacementVerdict } from '../model/placement.ts'
import type { QueuedCommand } from '../model/queued-command.ts'
import type { WaitingInstance } from '../model/waiting.ts'
import type { GpuCapacity } from '../placement/capacity.ts'
import type { FleetIndex } from '../placement/index.ts'
import type { BlobStore } from '../store/resource-store.ts'
import type { Store } from '../store/store.ts'
import type { ChangeFeed } from './change-feed.ts'
import type { Hold } from './holds.ts'
import type { IdentityKeys } from './identity-keys.ts'

export { StoreUnavailable } from '../store/store.ts'

type Placed = Extract<PlacementVerdict, { kind: 'placed' }>

/**
 * Where a demand can go; in the fleet with what requests under way are about to take, which are placed around one another.
 * Only a hint: the commit decides.
 */
export interface Places {
  place(demand: Demand, seed: string, nowMs?: number): PlacementVerdict
  host(hostId: HostId): HostSnapshot | undefined
}

/** Every host as of now: what transactions have left; connectedness is the sessions', as of each look. */
export interface Fleet extends Places {
  snapshot(): readonly HostSnapshot[]
  /** What could be placed now, by zone and type of GPU. */
  capacity(): readonly GpuCapacity[]
  /** Whether anything is held at all: what is in the way otherwise is no hint. */
  hasHolds(): boolean
  /** The hosts with what is held. What a look claims it releases. */
  withHolds<Result>(look: (index: FleetIndex) => Result): Result
  /** As if nothing were held: it is taken out for as long as the look takes. */
  withoutHolds<Result>(look: (index: FleetIndex) => Result): Result
  /** Until the result is called: when the commit is through, whatever became of it. */
  hold(hostId: HostId, hold: Hold): () => void
}

/** What the queue for capacity asks of the fleet beside. */
export interface FleetRoom extends Pick<Fleet, 'place' | 'host' | 'hold'> {
  /** As `place`, without the question why not. */
  decide(demand: Demand, seed: string, nowMs: number): Placed | undefined
  /** With why others were not. */
  explain(placed: Placed, demand: Demand): Placed
  /** Whether this very host could take it now. */
  fitsOn(demand: Demand, hostId: HostId): boolean
  /** Hosts that could take it once others are gone, the one that lacks least first. Looks at the whole fleet. */
  nearMisses(demand: Demand): readonly HostRefusal[]
  /** Until the result is called, only a demand with this ticket comes to the host. */
  keep(hostId: HostId, ticket: string): () => void
  /** Called with hosts that may have room for somebody that was not there before. The result stops it. */
  onRoom(listener: (hosts: readonly HostId[]) => void): () => void
}

/** Those who wait for capacity. Whoever comes or goes is told here, once the store has it. */
export interface WaitingQueue {
  add(instance: WaitingInstance): void
  forget(uid: InstanceUid): void
}

/** Tells the dispatcher that a host's outbox has something new. Never waits, never fails. */
export interface CommandDispatch {
  nudge(hostId: HostId): void
  /** The same for who knows what it is: it need not be read again. */
  offer(hostId: HostId, command: QueuedCommand): void
}

export type SerialReading =
  | { readonly kind: 'range'; readonly start: bigint; readonly next: bigint; readonly bytes: Uint8Array }
  | Unavailable

/** The host is not connected, or does not have the instance. */
export interface Unavailable {
  readonly kind: 'unavailable'
  readonly reason: string
  readonly message: string
}

export interface GuestAttribute {
  readonly namespace: string
  readonly key: string
  readonly value: string
}

export type GuestAttributesReading =
  | { readonly kind: 'attributes'; readonly attributes: readonly GuestAttribute[] }
  | Unavailable

/** A guest's console, as its host carries it. */
export interface ConsoleChannel {
  readonly kind: 'console'
  /** What the guest is to read; resolves once it takes more. */
  write(bytes: Uint8Array): Promise<void>
  close(): void
}

export type ConsoleChannelEnd =
  /** The guest has stopped, or its host says why it can't go on. */
  | { readonly kind: 'ended'; readonly reason: string; readonly message: string }
  /** Contact with the host has broken off: it can be opened again. */
  | { readonly kind: 'lost' }

export interface ConsoleListener {
  /** `start` is the offset of the first byte: later than the end of the last where some were left out. */
  onOutput(start: bigint, bytes: Uint8Array): void
  /** Once, but for a channel that was closed here. */
  onEnd(end: ConsoleChannelEnd): void
}

/** Questions to a host that are answered at once or not at all. */
export interface HostQueries {
  readSerial(query: {
    readonly hostId: HostId
    readonly instanceUid: InstanceUid
    readonly port: number
    readonly start: bigint
    readonly limitBytes: number
  }): Promise<SerialReading>
  readGuestAttributes(query: {
    readonly hostId: HostId
    readonly instanceUid: InstanceUid
  }): Promise<GuestAttributesReading>
  openConsole(
    query: {
      readonly hostId: HostId
      readonly instanceUid: InstanceUid
      /** Output from this offset on comes first; negative counts from the end. */
      readonly start: bigint
    },
    listener: ConsoleListener,
  ): Promise<ConsoleChannel | Unavailable>
}

export interface OperationPorts {
  readonly store: Store
  readonly fleet: Fleet
  readonly waiting: WaitingQueue
  readonly feed: ChangeFeed
  readonly identity: IdentityKeys
  /** One request of an idempotency key at a time. */
  readonly turns: Turns
  readonly dispatch: CommandDispatch
  readonly queries: HostQueries
  /** Absent where nothing can be uploaded. */
  readonly uploads?: { readonly blobs: BlobStore; readonly url: string }
  readonly catalogue: LiveCatalogue
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

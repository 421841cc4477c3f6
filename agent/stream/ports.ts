import type { DeviceObservation } from '../../proto/gen/berth/agent/v1/device_pb.ts'
import type { DiskObservation } from '../../proto/gen/berth/agent/v1/disk_pb.ts'
import type { HostFacts } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { InstanceObservation } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { NetworkMembers } from '../../proto/gen/berth/agent/v1/network_pb.ts'
import type { Command, CommandOutcome, GuestAttributes } from '../../proto/gen/berth/agent/v1/session_pb.ts'

export interface SerialRange {
  readonly instanceUid: string
  readonly port: number
  /** Negative counts from the end. */
  readonly start: bigint
  readonly limitBytes: number
}

export type SerialOutcome =
  | { readonly kind: 'range'; readonly start: bigint; readonly next: bigint; readonly bytes: Uint8Array }
  | { readonly kind: 'unavailable'; readonly reason: string; readonly message: string }

export type AttributesOutcome =
  | { readonly kind: 'attributes'; readonly attributes: GuestAttributes }
  | Extract<SerialOutcome, { kind: 'unavailable' }>

export type ConsolePart =
  /** `start` is later than the end of the part before where the reader was too slow. */
  | { readonly kind: 'output'; readonly start: bigint; readonly bytes: Uint8Array }
  | { readonly kind: 'ended'; readonly reason: string; readonly message: string }

/** One reader's console on a guest. */
export interface Console {
  /** Resolves once there is something, at most so much of it. */
  read(limitBytes: number): Promise<ConsolePart>
  /** Resolves once the guest takes more. */
  write(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}

export type ConsoleOutcome =
  | { readonly kind: 'console'; readonly console: Console }
  | Extract<SerialOutcome, { kind: 'unavailable' }>

/** What a host sees of one object. */
export type Observation = InstanceObservation | DiskObservation | DeviceObservation

/** What the stream needs from the rest of the agent. It never decides what a command means. */
export interface AgentSide {
  readonly hostId: string
  readonly zone: string
  readonly agentVersion: string
  readonly journalUuid: string
  bootId(): Promise<string>
  facts(): Promise<HostFacts>
  /** Each time that they are others than those taken or told last, from then on; the result ends it. */
  onFacts(listener: (facts: HostFacts) => void): () => void
  /** What is journalled: the highest epoch and, under it, the highest command sequence. */
  position(): { readonly epoch: number; readonly lastCommandSequence: bigint }
  /**
   * Durable when it resolves; a lower epoch than the known one is refused by throwing. The issuer is that of guests'
   * identity, '' with a scheduler that knows of none.
   */
  welcomed(epoch: number, identityIssuer: string): Promise<void>
  /** Durable in the journal when it resolves: only then is the command acknowledged. */
  accept(command: Command): Promise<{ readonly outcome: CommandOutcome; readonly message: string }>
  /** Who is in a network on other hosts. */
  takeMembers(told: NetworkMembers): Promise<void>
  /** Every device with a life of its own, every instance that this host knows, and tombstones of what was removed. */
  observations(): readonly Observation[]
  /** Each new observation, from then on; the result ends it. */
  onObservation(listener: (observation: Observation) => void): () => void
  /** The scheduler has it durably: a tombstone may go. */
  reported(observation: Observation): void
  readSerial(range: SerialRange): Promise<SerialOutcome>
  readGuestAttributes(instanceUid: string): Promise<AttributesOutcome>
  /** From a byte offset on; negative counts from the end. */
  openConsole(instanceUid: string, start: bigint): Promise<ConsoleOutcome>
}

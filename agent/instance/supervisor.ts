// Owns the instances of this host: one actor for each. In: commands, journalled before they are acknowledged. Out:
// observations. It adopts what an earlier agent left, and never touches a guest that its journal doesn't know.
import { create } from '@bufbuild/protobuf'
import { type InstanceObservation, InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { NetworkMembers } from '../../proto/gen/berth/agent/v1/network_pb.ts'
import {
  type Command,
  CommandOutcome,
  GuestAttributesSchema,
} from '../../proto/gen/berth/agent/v1/session_pb.ts'
import { type HostRecord, HostRecordSchema } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { pciAddress } from '../../proto/ids.ts'
import type {
  AgentSide,
  AttributesOutcome,
  ConsoleOutcome,
  Observation,
  SerialOutcome,
  SerialRange,
} from '../stream/ports.ts'
import { DiskRemoval } from '../volume/disk-removal.ts'
import { InstanceActor } from './actor.ts'
import { adopt } from './adopt.ts'
import { openConsole } from './console.ts'
import { readAttributes } from './guest-attributes.ts'
import { isHeld } from './held.ts'
import { type RepairExtent, repairNetworks } from './network-repair.ts'
import type { InstancePorts } from './ports.ts'
import { type EnsureCommand, recordForCommand } from './record.ts'
import { publishAgain } from './run-step.ts'
import { SerialRecorder } from './serial-recorder.ts'
import { UidPool } from './uid-pool.ts'

export interface SupervisorOptions {
  readonly ports: InstancePorts
  /** As the journal has it. */
  readonly host: HostRecord
}

const notHere = { kind: 'unavailable', reason: 'NOT_HERE', message: 'its host does not have it' } as const

/** The instances' half of an AgentSide. */
export type InstancesSide = Pick<
  AgentSide,
  | 'position'
  | 'accept'
  | 'takeMembers'
  | 'observations'
  | 'onObservation'
  | 'reported'
  | 'readSerial'
  | 'readGuestAttributes'
  | 'openConsole'
>

export class Supervisor implements InstancesSide {
  readonly #ports: InstancePorts
  readonly #actors = new Map<string, InstanceActor>()
  readonly #listeners = new Set<(observation: Observation) => void>()
  readonly #uids = new UidPool()
  /** Instances whose journal this agent can't read: their guests may run, and nothing is done to them. */
  readonly #leftAlone = new Map<string, string>()
  readonly #serial: SerialRecorder
  readonly #removedDisks: DiskRemoval
  #host: HostRecord

  constructor(options: SupervisorOptions) {
    this.#ports = options.ports
    this.#host = options.host
    this.#removedDisks = new DiskRemoval({ ports: options.ports, onObservation: (one) => this.#tell(one) })
    this.#ports.devices.onObservation((one) => this.#tell(one))
    this.#serial = new SerialRecorder({ ports: options.ports, actors: () => this.#actors.values() })
  }

  /** Everything that the journal knows, adopted; resolves when every guest's state is known. */
  async recover(): Promise<void> {
    const { journal, log } = this.#ports
    const entries = await journal.listInstances()
    for (const entry of entries) {
      if (entry.kind === 'record') {
        this.#put(new InstanceActor(this.#actorOptions(entry.record)))
        continue
      }
      const why =
        entry.kind === 'newer'
          ? `a newer agent wrote its journal (version ${entry.version})`
          : `its journal is broken (${entry.message})`
      this.#leftAlone.set(entry.uid, why)
      log.error({ instanceUid: entry.uid, why }, 'An instance is left alone.')
    }
    const networks = [...this.#actors.values()].flatMap(({ record }) => record.spec?.nics ?? [])
    const used = new Set(networks.map(({ network }) => network?.uid ?? ''))
    await this.#ports.firewalls.recover(used)
    await this.#ports.members.recover(used)
    await this.#recoverDevices()
    await Promise.all([...this.#actors.values()].map((actor) => adopt(this.#ports, actor)))
    await this.#removedDisks.recover()
  }

  position(): { epoch: number; lastCommandSequence: bigint } {
    const { epoch, lastCommandSequence } = this.#host
    return { epoch, lastCommandSequence }
  }

  /** Durable when it resolves; a lower epoch than the known one is refused by throwing. */
  async welcomed(epoch: number): Promise<void> {
    if (epoch < this.#host.epoch) {
      throw new Error(
        `The scheduler speaks for epoch ${epoch}, which is over: this host is at ${this.#host.epoch}.`,
      )
    }
    if (epoch === this.#host.epoch) return
    // A later epoch may count its commands anew.
    await this.#writeHost({ epoch, lastCommandSequence: 0n })
  }

  async accept(command: Command): Promise<{ outcome: CommandOutcome; message: string }> {
    const outcome = await this.#acceptOnce(command)
    if (command.sequence > this.#host.lastCommandSequence) {
      await this.#writeHost({ lastCommandSequence: command.sequence })
    }
    return outcome
  }

  takeMembers(told: NetworkMembers): Promise<void> {
    return this.#ports.members.take(told, this.#ports.networkUse)
  }

  observations(): readonly Observation[] {
    const instances = [...this.#actors.values()].map((actor) => actor.observation)
    // Devices first: what an instance has let go of is free only once its device says so.
    return [...this.#ports.devices.observations(), ...instances, ...this.#removedDisks.observations()]
  }

  onObservation(listener: (observation: Observation) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  reported(observation: Observation): void {
    if (observation.$typeName === 'berth.agent.v1.DeviceObservation') return
    if (observation.$typeName === 'berth.agent.v1.DiskObservation') {
      this.#removedDisks.reported(observation)
      return
    }
    const actor = this.#actors.get(observation.uid)
    const isTombstone = observation.phase === InstancePhase.ABSENT && observation.released
    if (!actor || !isTombstone || actor.record.phase !== InstancePhase.ABSENT) return
    this.#actors.delete(observation.uid)
    this.#serial.forget(observation.uid)
    void actor
      .close()
      .then(() => this.#ports.journal.removeInstance(observation.uid))
      .catch((thrown: unknown) => {
        // Told again at the next start, and removed then.
        this.#ports.log.warn(
          { err: thrown, instanceUid: observation.uid },
          'A tombstone could not be removed.',
        )
      })
  }

  async readSerial(range: SerialRange): Promise<SerialOutcome> {
    const actor = this.#actors.get(range.instanceUid)
    if (!actor) return notHere
    return this.#serial.read(actor, range)
  }

  async readGuestAttributes(instanceUid: string): Promise<AttributesOutcome> {
    if (!this.#actors.has(instanceUid)) return notHere
    const attributes = [...(await readAttributes(this.#ports, instanceUid))]
    return { kind: 'attributes', attributes: create(GuestAttributesSchema, { attributes }) }
  }

  async openConsole(instanceUid: string, start: bigint): Promise<ConsoleOutcome> {
    const actor = this.#actors.get(instanceUid)
    if (!actor) return notHere
    return openConsole(this.#serial, { actor, start })
  }

  /** Of guests that run: what somebody else has broken. */
  repairNetworks(extent: RepairExtent): Promise<boolean> {
    return repairNetworks(this.#ports, [...this.#actors.values()], extent)
  }

  /** Guests go on. */
  async close(): Promise<void> {
    this.#removedDisks.close()
    this.#ports.firewalls.close()
    this.#ports.devices.close()
    await this.#serial.close(this.#actors.values())
    await Promise.all([...this.#actors.values()].map((actor) => actor.close()))
  }

  async #acceptOnce(command: Command): Promise<{ outcome: CommandOutcome; message: string }> {
    if (command.body.case === 'ensureDisk') return this.#acceptDisk(command)
    if (command.body.case === 'ensureDevice') return this.#ports.devices.accept(command)
    if (command.body.case === 'ensureNetwork') return this.#acceptNetwork(command)
    if (command.body.case !== 'ensureInstance') {
      return { outcome: CommandOutcome.UNSUPPORTED, message: 'this agent does not know the command' }
    }
    const why = this.#leftAlone.get(command.uid)
    if (why !== undefined) return { outcome: CommandOutcome.INVALID, message: `${why}: it is left alone` }
    const actor = this.#actors.get(command.uid)
    if (actor && command.generation <= actor.record.generation) {
      return { outcome: CommandOutcome.STALE, message: `it is at generation ${actor.record.generation}` }
    }
    const nowMs = this.#ports.clock.nowMs()
    if (actor) {
      await actor.accept((before) => recordForCommand(command as EnsureCommand, before, nowMs))
      return { outcome: CommandOutcome.ACCEPTED, message: '' }
    }
    if (command.sequence > 0n && command.sequence <= this.#host.lastCommandSequence) {
      // Made again, it would be the ghost of an instance that has come and gone.
      return { outcome: CommandOutcome.STALE, message: 'it was taken before, and nothing of it is left' }
    }
    const record = recordForCommand(command as EnsureCommand, undefined, nowMs)
    // Journalled before anybody else sees it.
    await this.#ports.journal.writeInstance(record)
    const made = this.#put(new InstanceActor(this.#actorOptions(record)))
    this.#tell(made.observation)
    made.wake()
    return { outcome: CommandOutcome.ACCEPTED, message: '' }
  }

  /** Guests that run are told of what their network has become. */
  async #acceptNetwork(command: Command): Promise<{ outcome: CommandOutcome; message: string }> {
    const answer = await this.#ports.firewalls.accept(command, this.#ports.networkUse)
    if (answer.outcome !== CommandOutcome.ACCEPTED) return answer
    const members = [...this.#actors.values()].filter(({ record }) =>
      record.spec?.nics.some(({ network }) => network?.uid === command.uid),
    )
    for (const actor of members) {
      const { spec } = actor.record
      if (spec !== undefined) await actor.repair(() => publishAgain(this.#ports, spec))
    }
    return answer
  }

  async #acceptDisk(command: Command): Promise<{ outcome: CommandOutcome; message: string }> {
    const resource = { kind: 'volume', name: command.uid }
    const user = [...this.#actors.values()].find(({ record }) => isHeld(record, resource))
    if (user) {
      return { outcome: CommandOutcome.INVALID, message: `instance ${user.record.uid} has the disk` }
    }
    return this.#removedDisks.accept(command)
  }

  async #recoverDevices(): Promise<void> {
    const { devices } = this.#ports
    await devices.recover()
    for (const { record } of this.#actors.values()) {
      for (const { kind, name } of record.held) {
        const former = record.formerDrivers.find(({ address }) => address === name)
        const user = { instanceUid: record.uid, project: record.spec?.project ?? '' }
        if (kind === 'device' && former) await devices.adopt(pciAddress(name), user, former.driver)
      }
    }
  }

  #actorOptions(record: InstanceActor['record']) {
    return {
      ports: this.#ports,
      record,
      onObservation: (observation: InstanceObservation) => this.#tell(observation),
      allocateUid: () => this.#uids.allocate([...this.#actors.values()].map((actor) => actor.record)),
    }
  }

  #put(actor: InstanceActor): InstanceActor {
    this.#actors.set(actor.record.uid, actor)
    return actor
  }

  #tell(observation: Observation): void {
    for (const listener of this.#listeners) listener(observation)
  }

  async #writeHost(change: Partial<HostRecord>): Promise<void> {
    const next = create(HostRecordSchema, { ...this.#host, ...change })
    await this.#ports.journal.writeHost(next)
    this.#host = next
  }
}

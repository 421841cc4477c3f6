// What each message of a welcomed session does. In: acknowledgements, reports, answers; out: commands, report
// acknowledgements. A report is acknowledged only when the store has it durably. It never marks an instance failed for
// what it does not know. Throws what ends the session; messages come one after another, never two at once.
import { create } from '@bufbuild/protobuf'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import type { DeviceObservation } from '../../proto/gen/berth/agent/v1/device_pb.ts'
import type { DiskObservation } from '../../proto/gen/berth/agent/v1/disk_pb.ts'
import type { HostFacts } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { InstanceObservation } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import {
  type Command,
  type CommandAck,
  type Report,
  ReportAckSchema,
  type SessionRequest,
  type SessionResponse,
  SessionResponseSchema,
} from '../../proto/gen/berth/agent/v1/session_pb.ts'
import { type HostId, pciAddress } from '../../proto/ids.ts'
import { decodeCommand, type QueuedCommand } from '../model/queued-command.ts'
import type { Store } from '../store/store.ts'
import { type BeingNoted, noteAcknowledgements } from './acknowledgements.ts'
import { isRefusal, observationOfRefusal, refusalOfDeviceCommand } from './command-outcome.ts'
import { startDelivery } from './delivery.ts'
import {
  findUnreported,
  mayRepeat,
  renderRepeatedCommand,
  renderRepeatedDisk,
  unreported,
} from './inventory.ts'
import type { PendingQueries } from './pending-queries.ts'
import { type Greeting, registerHost } from './register-host.ts'

/** The peer broke the rules of the conversation. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

export interface LiveSessionOptions {
  readonly hostId: HostId
  readonly hello: Greeting
  readonly epoch: number
  readonly nextCommandSequence: number
  readonly windowSize: number
  readonly gathered: () => Promise<void>
  readonly beingNoted: BeingNoted
  readonly store: Store
  readonly queries: PendingQueries
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly send: (response: SessionResponse) => Promise<void>
  readonly sendCommand: (command: QueuedCommand) => Promise<void>
  readonly onFailure: (thrown: unknown) => void
}

export interface LiveSession {
  /** Undefined where it is done already, as most is. */
  receive(body: SessionRequest['body']): Promise<void> | undefined
  nudge(): void
  offer(command: QueuedCommand): void
  stop(): void
}

export function startLiveSession(options: LiveSessionOptions): LiveSession {
  const { hostId, hello, epoch, store, clock, log, random } = options
  const sendBody = (body: SessionResponse['body']) => options.send(create(SessionResponseSchema, { body }))
  const delivery = startDelivery({
    hostId,
    store,
    nextSequence: options.nextCommandSequence,
    windowSize: options.windowSize,
    send: options.sendCommand,
    onFailure: options.onFailure,
  })
  const { gathered, beingNoted, onFailure } = options
  const acknowledgements = noteAcknowledgements({ hostId, store, gathered, beingNoted, onFailure })
  /** Uids that the host has shown that it knows, until its full list is complete. */
  let heardOf: Set<string> | undefined = new Set()
  let lastReport = 0n

  async function apply(observation: InstanceObservation): Promise<void> {
    const outcome = await store.applyObservation({ hostId, observation, nowMs: clock.nowMs() })
    const fields = { instanceUid: observation.uid, requestId: observation.requestId, outcome: outcome.kind }
    if (outcome.kind === 'unknown') log.warn(fields, outcome.message)
    else if (outcome.kind === 'stale') log.info(fields, outcome.message)
    else log.debug(fields, 'An observation was applied.')
  }

  async function applyToDisk(observation: DiskObservation): Promise<void> {
    const outcome = await store.applyDiskObservation({ hostId, observation, nowMs: clock.nowMs() })
    const { uid: diskUid, requestId } = observation
    log.info({ diskUid, requestId, outcome: outcome.kind }, 'A host reported a disk.')
  }

  async function applyToDevice(observation: DeviceObservation): Promise<void> {
    const { address, requestId } = observation
    const applied = { hostId, epoch, observation, nowMs: clock.nowMs() }
    const outcome = await store.applyDeviceObservation(applied)
    const fields = { address, state: observation.state, reason: observation.reason, requestId }
    if (outcome.kind === 'stale' || outcome.kind === 'unknown') log.warn(fields, outcome.message)
    else if (outcome.kind === 'applied') log.info(fields, 'A host reported a device.')
  }

  async function noteDeviceRefusal({ uid, generation, requestId }: Command, ack: CommandAck): Promise<void> {
    const refusal = refusalOfDeviceCommand(ack)
    if (refusal === undefined) return
    log.error({ address: uid, requestId, outcome: ack.outcome }, refusal.message)
    await store.failDeviceCommand({ hostId, address: pciAddress(uid), generation, ...refusal })
  }

  /** A yes is not waited for: delivered again, it is a yes again. */
  function acknowledge(ack: CommandAck): Promise<void> | undefined {
    const match = delivery.match(ack)
    if (match.kind === 'unexpected') throw new ProtocolError(match.message)
    const { command, isRepeat } = match
    if (isRefusal(ack)) return takeRefusal(ack, match).then(() => settle(command))
    if (!isRepeat) acknowledgements.note(command.sequence)
    settle(command)
    return undefined
  }

  function settle(command: QueuedCommand): void {
    heardOf?.add(decodeCommand(command).uid)
    delivery.settle(command)
  }

  async function takeRefusal(
    ack: CommandAck,
    { command: queued, isRepeat }: { command: QueuedCommand; isRepeat: boolean },
  ): Promise<void> {
    const command = decodeCommand(queued)
    // Before it is acknowledged, or it could be forgotten with nobody told of the no; carried out after all, it speaks for itself.
    if (command.body.case === 'ensureDevice') await noteDeviceRefusal(command, ack)
    const wasJournalled = isRepeat || (hello.epoch === epoch && command.sequence <= hello.lastCommandSequence)
    const refusal = observationOfRefusal({ command, ack }, { wasJournalled, nowMs: clock.nowMs() })
    // Before what it means: a command that is delivered again after a no could still be carried out.
    if (!isRepeat) await acknowledgements.through(queued.sequence)
    if (refusal === undefined || command.body.case === 'ensureDevice') return
    const { uid, requestId } = command
    if (command.body.case === 'ensureDisk') {
      // It stays as it is, and the host is asked again in its next session.
      log.error({ diskUid: uid, requestId, outcome: ack.outcome }, ack.message)
    } else if (command.body.case === 'ensureNetwork') {
      // Placement keeps such networks from hosts that can't filter: its guests have what they had.
      log.error({ networkUid: uid, requestId, outcome: ack.outcome }, ack.message)
    } else {
      log.error({ instanceUid: uid, requestId, outcome: ack.outcome }, ack.message)
      await apply(refusal)
    }
  }

  async function completeInventory(): Promise<void> {
    const known = heardOf ?? new Set()
    heardOf = undefined
    const isHeardOf = (uid: string) => known.has(uid)
    // Nothing is lost by telling again what is to go.
    for (const disk of await store.listDisksToRemove(hostId)) {
      if (isHeardOf(disk.uid)) continue
      await delivery.repeat(renderRepeatedDisk(disk, { epoch, commandId: random.uuid() }))
    }
    for (const instance of await findUnreported({ hostId, isHeardOf }, store)) {
      const { uid, status, revision } = instance
      log.warn({ instanceUid: uid, status }, 'The host does not report an instance that is placed on it.')
      if (mayRepeat(instance)) {
        await delivery.repeat(renderRepeatedCommand(instance, { epoch, commandId: random.uuid() }))
      } else if (instance.reason !== unreported.reason) {
        await store.setStatusMessage({ uid, revision, ...unreported, nowMs: clock.nowMs() })
      }
    }
  }

  async function takeFacts(facts: HostFacts): Promise<void> {
    const nowMs = clock.nowMs()
    const outcome = await registerHost(hello, facts, { ...options, nowMs })
    if (outcome.kind === 'refused') throw new ProtocolError(outcome.message)
  }

  async function takeReport(report: Report): Promise<void> {
    if (report.sequence <= lastReport) {
      throw new ProtocolError(`Report ${report.sequence} came after report ${lastReport}.`)
    }
    lastReport = report.sequence
    switch (report.body.case) {
      case 'instance':
        heardOf?.add(report.body.value.uid)
        await apply(report.body.value)
        break
      case 'disk':
        heardOf?.add(report.body.value.uid)
        await applyToDisk(report.body.value)
        break
      case 'device':
        await applyToDevice(report.body.value)
        break
      case 'host':
        await takeFacts(report.body.value)
        break
      case 'inventoryComplete':
        await completeInventory()
        break
      case undefined:
        log.warn({ sequence: report.sequence }, 'A report of an unknown kind is acknowledged and dropped.')
    }
    const value = create(ReportAckSchema, { sequence: report.sequence })
    await sendBody({ case: 'reportAck', value })
  }

  return {
    receive: (body) => {
      switch (body.case) {
        case 'commandAck':
          return acknowledge(body.value)
        case 'report':
          return takeReport(body.value)
        case 'answer':
          options.queries.takeAnswer(hostId, body.value)
          return undefined
        case 'hello':
          throw new ProtocolError('Hello came twice.')
        // Having been heard is all that a heartbeat says; the unknown is of a newer agent.
        case 'heartbeat':
        case undefined:
          return undefined
      }
    },
    nudge: delivery.nudge,
    offer: delivery.offer,
    stop: () => delivery.stop(),
  }
}

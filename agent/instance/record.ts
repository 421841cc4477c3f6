import { create } from '@bufbuild/protobuf'
import {
  DesiredState,
  type EnsureInstance,
  HostPartSchema,
  type InstanceObservation,
  InstanceObservationSchema,
  InstancePhase,
  type Progress,
} from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Command } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import {
  type HostShare,
  type InstanceRecord,
  InstanceRecordSchema,
  type MaintenanceStop,
  MaintenanceStopSchema,
} from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { recordVersion } from '../journal/journal.ts'
import { nextAction, phaseForCommand } from './transition.ts'

export type EnsureCommand = Command & { body: { case: 'ensureInstance' } }

/** The record that a command leads to; `before` is what the journal has, if anything. */
export function recordForCommand(
  command: EnsureCommand,
  before: InstanceRecord | undefined,
  nowMs: number,
): InstanceRecord {
  const ensure = command.body.value
  const isNew = before === undefined
  const known = before ?? create(InstanceRecordSchema, { phase: InstancePhase.STAGING })
  const phase = phaseForCommand(ensure.desiredState, known, ensure.startGeneration)
  const spec = ensure.spec ?? before?.spec
  return {
    ...known,
    recordVersion,
    uid: command.uid,
    generation: command.generation,
    epoch: command.epoch,
    desiredState: ensure.desiredState,
    ...(spec ? { spec } : {}),
    stopDeadlineMs: ensure.stopDeadlineMs,
    startGeneration: ensure.startGeneration,
    resetGeneration: ensure.resetGeneration,
    maintenance: maintenanceOf(ensure, before, nowMs),
    requestId: command.requestId,
    ...firstWord(ensure.desiredState, phase, isNew || phase !== before.phase),
  }
}

/** The notice counts from now, also where the command was long on its way. A later one ends it earlier, and not later. */
function maintenanceOf(
  { maintenance }: EnsureInstance,
  before: InstanceRecord | undefined,
  nowMs: number,
): MaintenanceStop | undefined {
  if (maintenance === undefined) return undefined
  const fromNow = BigInt(nowMs + maintenance.noticeMs)
  const known = before?.maintenance?.powerOffAtUnixMs
  const powerOffAtUnixMs = known !== undefined && known < fromNow ? known : fromNow
  return create(MaintenanceStopSchema, { powerOffAtUnixMs })
}

function firstWord(desiredState: DesiredState, phase: InstancePhase, begins: boolean) {
  // Something to be removed that was never here: there is nothing to do.
  if (begins && desiredState === DesiredState.ABSENT) {
    return {
      phase: InstancePhase.ABSENT,
      reason: 'NEVER_HERE',
      message: 'It was never on this host.',
      released: true,
    }
  }
  if (begins) {
    return { phase, reason: 'STAGING', message: 'The host has begun.', released: false }
  }
  return { phase }
}

export function observationOf(
  record: InstanceRecord,
  options: { nowMs: number; progress?: Progress },
): InstanceObservation {
  const { uid, generation, epoch, phase, reason, message, released, requestId, spec, hostShare } = record
  return create(InstanceObservationSchema, {
    uid,
    generation,
    epoch,
    phase,
    reason,
    message,
    released,
    requestId,
    settled: nextAction(record) === 'rest',
    volumeUids: (spec?.disks ?? []).map(({ volumeUid }) => volumeUid).filter((volume) => volume !== ''),
    observedAtUnixMs: BigInt(options.nowMs),
    ...(hostShare ? { hostPart: create(HostPartSchema, partOf(hostShare)) } : {}),
    ...(options.progress ? { progress: options.progress } : {}),
  })
}

const partOf = ({ numaNodes, cpus, drift }: HostShare) => ({ numaNodes, cpus, drift })

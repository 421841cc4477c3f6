import { create } from '@bufbuild/protobuf'
import {
  type InstanceObservation,
  InstanceObservationSchema,
  InstancePhase,
} from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type Command, type CommandAck, CommandOutcome } from '../../proto/gen/berth/agent/v1/session_pb.ts'

const refusals: Readonly<Partial<Record<CommandOutcome, { reason: string; sentence: string }>>> = {
  [CommandOutcome.UNSUPPORTED]: {
    reason: 'COMMAND_UNSUPPORTED',
    sentence:
      'The agent of the host is too old for this: upgrade it, delete the instance and create it again.',
  },
  [CommandOutcome.INVALID]: {
    reason: 'COMMAND_INVALID',
    sentence: 'The host can not carry this out: delete the instance and create it with another request.',
  },
}

export const isRefusal = ({ outcome }: CommandAck): boolean => refusals[outcome] !== undefined

export interface CommandRefusal {
  readonly reason: string
  readonly message: string
}

/** An agent's no to an operator's word on a device; undefined for a yes. */
export function refusalOfDeviceCommand(ack: CommandAck): CommandRefusal | undefined {
  switch (ack.outcome) {
    case CommandOutcome.UNSUPPORTED: {
      const message = 'The agent of the host is too old for this: upgrade it, and ask again.'
      return { reason: 'COMMAND_UNSUPPORTED', message: [message, ack.message].filter(Boolean).join(' ') }
    }
    case CommandOutcome.INVALID:
      return { reason: 'COMMAND_INVALID', message: ack.message || 'The host can not carry this out.' }
    default:
      return undefined
  }
}

/**
 * What an agent's no to a command says about the instance; undefined for a yes. A no to a first generation that the
 * host never journalled proves that it holds nothing, so that the claims are free. Any other no leaves them: an earlier
 * generation may still run.
 */
export function observationOfRefusal(
  { command, ack }: { command: Command; ack: CommandAck },
  { wasJournalled, nowMs }: { wasJournalled: boolean; nowMs: number },
): InstanceObservation | undefined {
  const refusal = refusals[ack.outcome]
  if (refusal === undefined) return undefined
  return create(InstanceObservationSchema, {
    uid: command.uid,
    generation: command.generation,
    epoch: command.epoch,
    phase: InstancePhase.FAILED,
    reason: refusal.reason,
    message: [refusal.sentence, ack.message].filter((part) => part !== '').join(' '),
    released: command.generation === 1 && !wasJournalled,
    observedAtUnixMs: BigInt(nowMs),
    requestId: command.requestId,
    settled: true,
  })
}

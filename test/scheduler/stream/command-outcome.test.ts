import { create } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import { InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import {
  CommandAckSchema,
  CommandOutcome,
  CommandSchema,
} from '../../../proto/gen/berth/agent/v1/session_pb.ts'
import { observationOfRefusal } from '../../../scheduler/stream/command-outcome.ts'

const observe = (outcome: CommandOutcome, generation: number, wasJournalled = false) =>
  observationOfRefusal(
    {
      command: create(CommandSchema, { uid: 'u', epoch: 3, generation }),
      ack: create(CommandAckSchema, { outcome, message: 'No disk has 0 bytes.' }),
    },
    { wasJournalled, nowMs: 1 },
  )

describe('an answer to a command', () => {
  it('says nothing about the instance when it is a yes', () => {
    expect(observe(CommandOutcome.ACCEPTED, 1)).toBeUndefined()
    expect(observe(CommandOutcome.STALE, 1)).toBeUndefined()
  })

  it('proves that nothing is held when a first generation was never journalled', () => {
    expect(observe(CommandOutcome.INVALID, 1)).toMatchObject({
      ...{ uid: 'u', epoch: 3, generation: 1, phase: InstancePhase.FAILED, released: true },
      ...{ reason: 'COMMAND_INVALID', message: expect.stringContaining('No disk has 0 bytes.') },
    })
  })

  it('frees nothing otherwise: an earlier generation may run', () => {
    expect(observe(CommandOutcome.UNSUPPORTED, 2)).toMatchObject({ released: false })
    expect(observe(CommandOutcome.UNSUPPORTED, 1, true)).toMatchObject({ released: false })
  })
})

import { create } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import {
  type Command,
  CommandAckSchema,
  CommandSchema,
} from '../../../proto/gen/berth/agent/v1/session_pb.ts'
import { hostId } from '../../../proto/ids.ts'
import { startDelivery } from '../../../scheduler/stream/delivery.ts'
import { eventually } from './eventually.ts'

const commandOf = (sequence: number) =>
  create(CommandSchema, { sequence: BigInt(sequence), commandId: `c${sequence}` })

const ackOf = ({ sequence, commandId }: Command) => create(CommandAckSchema, { sequence, commandId })

function deliver({ commands = 5, nextSequence = 1, windowSize = 2 } = {}) {
  const sent: Command[] = []
  const failures: unknown[] = []
  const outbox = Array.from({ length: commands }, (_, index) => commandOf(index + 1))
  const store = {
    readOutbox: async ({ fromSequence, limit }: { fromSequence: number; limit: number }) =>
      outbox.filter(({ sequence }) => sequence >= fromSequence).slice(0, limit),
  }
  const delivery = startDelivery({
    ...{ hostId: hostId('host-1'), nextSequence, windowSize, store },
    send: async (command) => void sent.push(command),
    onFailure: (thrown) => failures.push(thrown),
  })
  return {
    delivery,
    sent,
    outbox,
    store,
    failures,
    sequences: () => sent.map(({ sequence }) => Number(sequence)),
  }
}

describe('delivery', () => {
  it('stays a window ahead of the acknowledgements', async () => {
    const { delivery, sent, sequences } = deliver()
    delivery.nudge()
    delivery.nudge()
    await eventually('the window is full', () => sent.length === 2)
    await new Promise((resolve) => setImmediate(resolve))
    expect(sequences()).toEqual([1, 2])
    delivery.settle(commandOf(7))
    const [first] = sent
    if (first) delivery.settle(first)
    delivery.nudge()
    await eventually('there is one more', () => sent.length === 3)
    expect(sequences()).toEqual([1, 2, 3])
  })

  it('begins where the host stopped', async () => {
    const { delivery, sent, sequences } = deliver({ nextSequence: 4, windowSize: 8 })
    delivery.nudge()
    await eventually('the rest is sent', () => sent.length === 2)
    expect(sequences()).toEqual([4, 5])
  })

  it('takes acknowledgements in order alone', async () => {
    const { delivery, sent } = deliver()
    const none = create(CommandAckSchema, { sequence: 1n })
    expect(delivery.match(none)).toEqual({
      kind: 'unexpected',
      message: 'Sequence 1 was acknowledged and none is due.',
    })
    delivery.nudge()
    await eventually('the window is full', () => sent.length === 2)
    expect(delivery.match(ackOf(commandOf(2)))).toMatchObject({ kind: 'unexpected' })
    expect(delivery.match(ackOf(commandOf(1)))).toMatchObject({ kind: 'matched', isRepeat: false })
  })

  it('knows a repeated command by its id, once', async () => {
    const { delivery } = deliver()
    const repeated = create(CommandSchema, { sequence: 0n, commandId: 'again' })
    await delivery.repeat(repeated)
    expect(delivery.match(ackOf(repeated))).toEqual({ kind: 'matched', command: repeated, isRepeat: true })
    delivery.settle(repeated)
    expect(delivery.match(ackOf(repeated))).toMatchObject({ kind: 'unexpected' })
  })

  it('says when the outbox can not be read', async () => {
    const { delivery, store, failures } = deliver()
    store.readOutbox = async () => {
      throw new Error('the store has failed')
    }
    delivery.nudge()
    await eventually('it is said', () => failures.length === 1)
  })
})

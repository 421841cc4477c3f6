import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import {
  type Command,
  CommandAckSchema,
  CommandSchema,
} from '../../../proto/gen/berth/agent/v1/session_pb.ts'
import { hostId } from '../../../proto/ids.ts'
import type { QueuedCommand } from '../../../scheduler/model/queued-command.ts'
import { startDelivery } from '../../../scheduler/stream/delivery.ts'
import { eventually } from './eventually.ts'

const commandOf = (sequence: number) =>
  create(CommandSchema, { sequence: BigInt(sequence), commandId: `c${sequence}` })

const queuedOf = (sequence: number): QueuedCommand => ({
  sequence,
  encoded: toBinary(CommandSchema, commandOf(sequence)),
})

const ackOf = ({ sequence, commandId }: Command) => create(CommandAckSchema, { sequence, commandId })

function deliver({ commands = 5, nextSequence = 1, windowSize = 2 } = {}) {
  const sent: QueuedCommand[] = []
  const failures: unknown[] = []
  const outbox = Array.from({ length: commands }, (_, index) => queuedOf(index + 1))
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
    sequences: () => sent.map(({ sequence }) => sequence),
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
    delivery.settle(queuedOf(7))
    const [first] = sent
    if (first) delivery.settle(first)
    await eventually('there is one more', () => sent.length === 3)
    expect(sequences()).toEqual([1, 2, 3])
  })

  it('sends what it is offered without reading it, where that is the next', async () => {
    const { delivery, store, sequences } = deliver({ commands: 0 })
    let reads = 0
    const readOutbox = store.readOutbox
    store.readOutbox = async (input) => {
      reads += 1
      return readOutbox(input)
    }
    delivery.offer(queuedOf(1))
    delivery.offer(queuedOf(2))
    expect([sequences(), reads]).toEqual([[1, 2], 0])
  })

  it('reads what it is offered too early or beyond its window', async () => {
    const { delivery, sent, outbox, sequences } = deliver({ commands: 3 })
    delivery.offer(queuedOf(3))
    await eventually('the window is full', () => sent.length === 2)
    outbox.push(queuedOf(4))
    delivery.offer(queuedOf(4))
    await new Promise((resolve) => setImmediate(resolve))
    expect(sequences()).toEqual([1, 2])
    for (const command of [...sent]) delivery.settle(command)
    await eventually('all are sent', () => sent.length === 4)
    expect(sequences()).toEqual([1, 2, 3, 4])
  })

  it('reads no more while nothing has come and there is room', async () => {
    const { delivery, store, sent } = deliver({ commands: 2, windowSize: 8 })
    let reads = 0
    const { readOutbox } = store
    store.readOutbox = async (input) => {
      reads += 1
      return readOutbox(input)
    }
    delivery.nudge()
    await eventually('both are sent', () => sent.length === 2)
    for (const command of [...sent]) delivery.settle(command)
    await new Promise((resolve) => setImmediate(resolve))
    expect(reads).toBe(1)
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
    const { delivery, sent } = deliver()
    const repeated = create(CommandSchema, { sequence: 0n, commandId: 'again' })
    await delivery.repeat(repeated)
    const [told] = sent
    expect(told && fromBinary(CommandSchema, told.encoded)).toEqual(repeated)
    expect(delivery.match(ackOf(repeated))).toEqual({ kind: 'matched', command: told, isRepeat: true })
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

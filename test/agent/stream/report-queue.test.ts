import { create } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import { ReportQueue } from '../../../agent/stream/report-queue.ts'
import { InstanceObservationSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Report } from '../../../proto/gen/berth/agent/v1/session_pb.ts'

const observe = (uid: string, message = '') => create(InstanceObservationSchema, { uid, message })

function queueOf() {
  const sent: Report[] = []
  const durable: string[] = []
  const stream = { takes: true }
  const queue = new ReportQueue({
    send: ({ value }) => {
      sent.push(value)
      return stream.takes
    },
    onDurable: (one) =>
      durable.push('message' in one && 'uid' in one ? `${one.uid}${one.message}` : one.$typeName),
  })
  const words = () =>
    sent.map(({ body }) => (body.case === 'instance' ? `${body.value.uid}${body.value.message}` : body.case))
  return { queue, sent, durable, stream, words }
}

describe('reports', () => {
  it('of one instance become one while an earlier one is on its way', () => {
    const { queue, words, durable } = queueOf()
    queue.add(observe('a', '1'))
    queue.add(observe('a', '2'))
    queue.add(observe('a', '3'))
    queue.add(observe('b', '1'))
    expect(words()).toEqual(['a1', 'b1'])
    queue.acknowledge(1n)
    expect(words()).toEqual(['a1', 'b1', 'a3'])
    queue.acknowledge(3n)
    expect(durable).toEqual(['a1', 'b1', 'a3'])
  })

  it('wait while the stream is full, and the last word of each goes out after', () => {
    const { queue, words, stream } = queueOf()
    stream.takes = false
    queue.add(observe('a', '1'))
    queue.add(observe('b', '1'))
    queue.add(observe('b', '2'))
    expect(words()).toEqual(['a1'])
    stream.takes = true
    queue.resume()
    expect(words()).toEqual(['a1', 'b2'])
  })

  it('end the inventory after everything that was there before', () => {
    const { queue, words, stream } = queueOf()
    stream.takes = false
    queue.add(observe('a', '1'))
    queue.add(observe('b', '1'))
    queue.completeInventory(2)
    expect(words()).toEqual(['a1'])
    stream.takes = true
    queue.resume()
    expect(words()).toEqual(['a1', 'b1', 'inventoryComplete'])
  })

  it('are never more on their way than the window, however many there are', () => {
    const { queue, sent } = queueOf()
    for (let index = 0; index < 200; index += 1) queue.add(observe(`i${index}`))
    queue.completeInventory(200)
    expect(sent).toHaveLength(64)
    for (let acknowledged = 0; acknowledged < sent.length; acknowledged = sent.length) {
      queue.acknowledge(BigInt(sent.length))
    }
    queue.acknowledge(BigInt(sent.length))
    queue.acknowledge(BigInt(sent.length))
    expect(sent.map(({ sequence }) => sequence)).toEqual(sent.map((_, index) => BigInt(index + 1)))
    expect(sent.at(-1)?.body.case).toBe('inventoryComplete')
    expect(sent).toHaveLength(201)
  })
})

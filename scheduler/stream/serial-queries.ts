import { create } from '@bufbuild/protobuf'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import {
  type Answer,
  QuerySchema,
  type SerialAnswer,
  SerialQuerySchema,
} from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { HostId } from '../../proto/ids.ts'
import type { HostQueries, SerialReading } from '../operations/ports.ts'
import type { Sessions } from './sessions.ts'

type Unavailable = Extract<SerialReading, { kind: 'unavailable' }>

/** Questions that wait for a host's answer; the bytes come by a stream of their own, before the answer. */
export interface SerialQueries extends HostQueries {
  takeAnswer(hostId: HostId, answer: Answer): void
  /** A place for the bytes of a transfer that this host was asked for; undefined where none is awaited. */
  openTransfer(hostId: HostId, transferId: string): Transfer | undefined
  /** Its session is gone: nothing that was asked will be answered. */
  forgetHost(hostId: HostId): void
}

export interface Transfer {
  /** False where it is more than was asked for. */
  append(chunk: Uint8Array): boolean
  receivedBytes(): number
}

interface Pending {
  readonly hostId: HostId
  readonly transferId: string
  readonly limitBytes: number
  readonly chunks: Uint8Array[]
  settle(reading: SerialReading): void
}

export function createSerialQueries({
  sessions,
  clock,
  random,
  timeoutMs,
}: {
  sessions: Pick<Sessions, 'find'>
  clock: Clock
  random: Random
  timeoutMs: number
}): SerialQueries {
  const pending = new Map<string, Pending>()

  return {
    readSerial: async ({ hostId, instanceUid, port, start, limitBytes }) => {
      const session = sessions.find(hostId)
      if (session === undefined) return unavailable('NOT_CONNECTED', `Host ${hostId} is not connected.`)
      const queryId = random.uuid()
      const transferId = random.uuid()
      const { promise, resolve } = Promise.withResolvers<SerialReading>()
      const cancel = clock.after(timeoutMs, () =>
        resolve(unavailable('TIMEOUT', `Host ${hostId} did not answer within ${timeoutMs / 1000} s.`)),
      )
      pending.set(queryId, { hostId, transferId, limitBytes, chunks: [], settle: resolve })
      const value = create(SerialQuerySchema, { instanceUid, port, start, limitBytes, transferId })
      void session.ask(create(QuerySchema, { queryId, body: { case: 'serial', value } }))
      try {
        return await promise
      } finally {
        cancel()
        pending.delete(queryId)
      }
    },
    takeAnswer: (hostId, { queryId, body }) => {
      const query = pending.get(queryId)
      // Late, or of another host.
      if (query?.hostId !== hostId) return
      if (body.case === 'serial') query.settle(readingOf(body.value, query))
      else if (body.case === 'error') query.settle(unavailable(body.value.reason, body.value.message))
      else query.settle(unavailable('UNKNOWN_ANSWER', `Host ${hostId} gave an answer of an unknown kind.`))
    },
    openTransfer: (hostId, transferId) => {
      const query = [...pending.values()].find((one) => one.transferId === transferId)
      return query?.hostId === hostId ? transferInto(query) : undefined
    },
    forgetHost: (hostId) => {
      for (const query of pending.values()) {
        if (query.hostId !== hostId) continue
        query.settle(unavailable('DISCONNECTED', `Host ${hostId} went away before it answered.`))
      }
    },
  }
}

const unavailable = (reason: string, message: string): Unavailable => ({
  kind: 'unavailable',
  reason,
  message,
})

function transferInto({ chunks, limitBytes }: Pending): Transfer {
  const receivedBytes = () => chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  return {
    append: (chunk) => {
      if (receivedBytes() + chunk.length > limitBytes) return false
      chunks.push(chunk)
      return true
    },
    receivedBytes,
  }
}

function readingOf({ start, next }: SerialAnswer, { hostId, chunks }: Pending): SerialReading {
  const bytes = Buffer.concat(chunks)
  if (BigInt(bytes.length) === next - start) return { kind: 'range', start, next, bytes }
  const message = `Host ${hostId} promised ${next - start} bytes and sent ${bytes.length}.`
  return unavailable('INCOMPLETE', message)
}

import { create, fromBinary } from '@bufbuild/protobuf'
import {
  type Answer,
  GuestAttributesQuerySchema,
  GuestAttributesSchema,
  type Query,
  SerialQuerySchema,
} from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { HostId } from '../../proto/ids.ts'
import type { GuestAttributesReading, HostQueries, SerialReading } from '../operations/ports.ts'
import { type ConsoleCall, createConsoleCalls } from './console-calls.ts'
import { createQuestions, type QuestionsOptions, unavailable } from './questions.ts'

/** Questions that wait for a host's answer; the bytes come by a stream of their own, before the answer. */
export interface PendingQueries extends HostQueries {
  takeAnswer(hostId: HostId, answer: Answer): void
  /** A place for the bytes of a transfer that this host was asked for; undefined where none is awaited. */
  openTransfer(hostId: HostId, transferId: string): Transfer | undefined
  /** The call that answers a question for a console. */
  takeConsole(hostId: HostId, call: ConsoleCall): void
  /** Its session is gone: nothing that was asked will be answered. */
  forgetHost(hostId: HostId): void
}

export interface Transfer {
  /** False where it is more than was asked for. */
  append(chunk: Uint8Array): boolean
  receivedBytes(): number
}

interface Answered {
  readonly kind: 'answered'
  readonly body: Answer['body']
  readonly bytes: Uint8Array
}

/** Of the bytes that come before the answer. */
interface Received {
  readonly limitBytes: number
  readonly chunks: Uint8Array[]
}

/** More than a guest can have put; what it takes on the wire is less than what it takes on its host. */
const attributesLimitBytes = 512 * 1024

export function createPendingQueries(options: QuestionsOptions): PendingQueries {
  const consoles = createConsoleCalls(options)
  const questions = createQuestions<Received, Answered>(options)
  const ask = (
    { hostId, limitBytes }: { hostId: HostId; limitBytes: number },
    queryBody: (transferId: string) => Query['body'],
  ) => questions.ask({ hostId, about: { limitBytes, chunks: [] } }, queryBody)

  return {
    readSerial: async ({ hostId, instanceUid, port, start, limitBytes }) => {
      const outcome = await ask({ hostId, limitBytes }, (transferId) => ({
        case: 'serial',
        value: create(SerialQuerySchema, { instanceUid, port, start, limitBytes, transferId }),
      }))
      return outcome.kind === 'answered' ? serialOf(outcome, hostId) : outcome
    },
    readGuestAttributes: async ({ hostId, instanceUid }) => {
      const outcome = await ask({ hostId, limitBytes: attributesLimitBytes }, (transferId) => ({
        case: 'guestAttributes',
        value: create(GuestAttributesQuerySchema, { instanceUid, transferId }),
      }))
      return outcome.kind === 'answered' ? attributesOf(outcome, hostId) : outcome
    },
    openConsole: consoles.openConsole,
    takeConsole: consoles.take,
    takeAnswer: (hostId, answer) => {
      consoles.takeAnswer(hostId, answer)
      const asked = questions.takeAnswer(hostId, answer)
      asked?.settle({ kind: 'answered', body: answer.body, bytes: Buffer.concat(asked.about.chunks) })
    },
    openTransfer: (hostId, transferId) => {
      const asked = questions.find(hostId, transferId)
      return asked && transferInto(asked.about)
    },
    forgetHost: (hostId) => {
      consoles.forgetHost(hostId)
      questions.forgetHost(hostId)
    },
  }
}

function transferInto({ chunks, limitBytes }: Received): Transfer {
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

function serialOf({ body, bytes }: Answered, hostId: HostId): SerialReading {
  if (body.case !== 'serial') return unknownAnswer(hostId)
  const { start, next } = body.value
  if (BigInt(bytes.length) === next - start) return { kind: 'range', start, next, bytes }
  return incomplete(hostId, next - start, bytes)
}

function attributesOf({ body, bytes }: Answered, hostId: HostId): GuestAttributesReading {
  if (body.case !== 'guestAttributes') return unknownAnswer(hostId)
  if (bytes.length !== body.value.bytes) return incomplete(hostId, body.value.bytes, bytes)
  try {
    return { kind: 'attributes', attributes: fromBinary(GuestAttributesSchema, bytes).attributes }
  } catch {
    return unavailable('UNREADABLE', `Host ${hostId} sent what are no guest attributes.`)
  }
}

const unknownAnswer = (hostId: HostId) =>
  unavailable('UNKNOWN_ANSWER', `Host ${hostId} gave an answer of an unknown kind.`)

const incomplete = (hostId: HostId, promised: number | bigint, { length }: Uint8Array) =>
  unavailable('INCOMPLETE', `Host ${hostId} promised ${promised} bytes and sent ${length}.`)

// Consoles that hosts are asked for: each is a call that the host's agent opens. In: questions of operations, calls of
// agents. Out: a channel both ways, until either side ends it or the host's session is gone.
import { create } from '@bufbuild/protobuf'
import { type ServerDuplexStream, status } from '@grpc/grpc-js'
import {
  type Answer,
  ConsoleQuerySchema,
  type ConsoleRequest,
  type ConsoleResponse,
  ConsoleResponseSchema,
} from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { HostId } from '../../proto/ids.ts'
import type { ConsoleChannel, ConsoleListener, HostQueries } from '../operations/ports.ts'
import { createOutgoing } from './outgoing.ts'
import { type Asked, createQuestions, type QuestionsOptions } from './questions.ts'

export type ConsoleCall = ServerDuplexStream<ConsoleRequest, ConsoleResponse>

export interface ConsoleCalls extends Pick<HostQueries, 'openConsole'> {
  /** A call of a host that has proved who it is. */
  take(hostId: HostId, call: ConsoleCall): void
  takeAnswer(hostId: HostId, answer: Answer): void
  /** Its session is gone: so are its consoles. */
  forgetHost(hostId: HostId): void
}

type AskedConsole = Asked<ConsoleListener, ConsoleChannel>

export function createConsoleCalls(options: QuestionsOptions): ConsoleCalls {
  const questions = createQuestions<ConsoleListener, ConsoleChannel>(options)
  const live = new Map<HostId, Set<() => void>>()

  function serve(call: ConsoleCall, hostId: HostId, { about: listener, settle }: AskedConsole): void {
    const outgoing = createOutgoing<ConsoleResponse>(call)
    const ofHost = live.get(hostId) ?? new Set()
    let isOver = false
    const leave = (): boolean => {
      if (isOver) return false
      isOver = true
      ofHost.delete(lose)
      outgoing.end()
      return true
    }
    const lose = () => {
      if (!leave()) return
      if (!call.cancelled) call.emit('error', { code: status.ABORTED, details: 'The session is over.' })
      listener.onEnd({ kind: 'lost' })
    }
    live.set(hostId, ofHost.add(lose))
    call.on('cancelled', lose)
    call.on('error', lose)
    call.on('end', lose)
    call.on('data', ({ body }: ConsoleRequest) => {
      if (isOver) return
      if (body.case === 'output') listener.onOutput(body.value.start, body.value.chunk)
      if (body.case !== 'end') return
      const { reason, message } = body.value
      leave()
      call.end()
      listener.onEnd({ kind: 'ended', reason, message })
    })
    settle({
      kind: 'console',
      write: (input) => outgoing.send(create(ConsoleResponseSchema, { input })),
      close: () => {
        if (leave()) call.emit('error', { code: status.CANCELLED, details: 'Nobody looks any more.' })
      },
    })
  }

  return {
    openConsole: ({ hostId, instanceUid, start }, listener) =>
      questions.ask({ hostId, about: listener }, (transferId) => ({
        case: 'console',
        value: create(ConsoleQuerySchema, { instanceUid, transferId, start }),
      })),
    take: (hostId, call) => {
      call.once('data', ({ transferId }: ConsoleRequest) => {
        const asked = questions.claim(hostId, transferId)
        if (asked) serve(call, hostId, asked)
        else call.emit('error', { code: status.NOT_FOUND, details: 'Nobody awaits this console.' })
      })
    },
    takeAnswer: (hostId, answer) => void questions.takeAnswer(hostId, answer),
    forgetHost: (hostId) => {
      questions.forgetHost(hostId)
      for (const lose of [...(live.get(hostId) ?? [])]) lose()
      live.delete(hostId)
    },
  }
}

// Consoles that hosts are asked for: each is a call that the host's agent opens. In: questions of operations, calls of
// agents. Out: a channel both ways, until either side ends it or the host's session is gone.
import { create } from '@bufbuild/protobuf'
import { type ServerDuplexStream, status } from '@grpc/grpc-js'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import {
  type Answer,
  ConsoleQuerySchema,
  type ConsoleRequest,
  type ConsoleResponse,
  ConsoleResponseSchema,
  QuerySchema,
} from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { HostId } from '../../proto/ids.ts'
import type { ConsoleChannel, ConsoleListener, HostQueries, Unavailable } from '../operations/ports.ts'
import { createOutgoing } from './outgoing.ts'
import type { Sessions } from './sessions.ts'

export type ConsoleCall = ServerDuplexStream<ConsoleRequest, ConsoleResponse>

export interface ConsoleCalls extends Pick<HostQueries, 'openConsole'> {
  /** A call of a host that has proved who it is. */
  take(hostId: HostId, call: ConsoleCall): void
  takeAnswer(hostId: HostId, answer: Answer): void
  /** Its session is gone: so are its consoles. */
  forgetHost(hostId: HostId): void
}

interface Pending {
  readonly hostId: HostId
  readonly queryId: string
  readonly listener: ConsoleListener
  settle(outcome: ConsoleChannel | Unavailable): void
}

export function createConsoleCalls({
  sessions,
  clock,
  random,
  timeoutMs,
}: {
  sessions: Pick<Sessions, 'find'>
  clock: Clock
  random: Random
  timeoutMs: number
}): ConsoleCalls {
  /** By transfer. */
  const pending = new Map<string, Pending>()
  const live = new Map<HostId, Set<() => void>>()

  function serve(call: ConsoleCall, { hostId, listener, settle }: Pending): void {
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
    openConsole: async ({ hostId, instanceUid, start }, listener) => {
      const session = sessions.find(hostId)
      if (session === undefined) return unavailable('NOT_CONNECTED', `Host ${hostId} is not connected.`)
      const [queryId, transferId] = [random.uuid(), random.uuid()]
      const { promise, resolve } = Promise.withResolvers<ConsoleChannel | Unavailable>()
      const cancel = clock.after(timeoutMs, () =>
        resolve(unavailable('TIMEOUT', `Host ${hostId} did not answer within ${timeoutMs / 1000} s.`)),
      )
      pending.set(transferId, { hostId, queryId, listener, settle: resolve })
      const value = create(ConsoleQuerySchema, { instanceUid, transferId, start })
      void session.ask(create(QuerySchema, { queryId, body: { case: 'console', value } }))
      try {
        return await promise
      } finally {
        cancel()
        pending.delete(transferId)
      }
    },
    take: (hostId, call) => {
      call.once('data', ({ transferId }: ConsoleRequest) => {
        const asked = pending.get(transferId)
        pending.delete(transferId)
        if (asked?.hostId === hostId) serve(call, asked)
        else call.emit('error', { code: status.NOT_FOUND, details: 'Nobody awaits this console.' })
      })
    },
    takeAnswer: (hostId, { queryId, body }) => {
      if (body.case !== 'error') return
      for (const one of pending.values()) {
        if (one.queryId !== queryId || one.hostId !== hostId) continue
        one.settle(unavailable(body.value.reason, body.value.message))
      }
    },
    forgetHost: (hostId) => {
      for (const one of pending.values()) {
        if (one.hostId !== hostId) continue
        one.settle(unavailable('DISCONNECTED', `Host ${hostId} went away before it answered.`))
      }
      for (const lose of [...(live.get(hostId) ?? [])]) lose()
      live.delete(hostId)
    },
  }
}

const unavailable = (reason: string, message: string): Unavailable => ({
  kind: 'unavailable',
  reason,
  message,
})

// One agent's session, from its first message to its end: greeted once, live until it breaks, then ended for good. In:
// the gRPC call of a peer whose identity is proved. It holds no truth: everything it knows can be lost.
import { create } from '@bufbuild/protobuf'
import { type ServerDuplexStream, status } from '@grpc/grpc-js'
import type { Clock } from '../../lib/clock.ts'
import { describeCauses, type Logger } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import {
  HeartbeatSchema,
  type Hello,
  RefusalSchema,
  type SessionRequest,
  type SessionResponse,
  SessionResponseSchema,
  WelcomeSchema,
} from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { HostId } from '../../proto/ids.ts'
import type { Store } from '../store/store.ts'
import { type BeingNoted, untilNoted } from './acknowledgements.ts'
import { encodeResponse } from './command-response.ts'
import { type LiveSession, ProtocolError, startLiveSession } from './live-session.ts'
import { createOutgoing } from './outgoing.ts'
import type { PendingQueries } from './pending-queries.ts'
import { registerHost } from './register-host.ts'
import type { LiveHandle, Sessions } from './sessions.ts'

export type SessionCall = ServerDuplexStream<SessionRequest, SessionResponse | Uint8Array>

export interface SessionPorts {
  readonly store: Store
  readonly sessions: Sessions
  readonly queries: PendingQueries
  /** Of guests' identity. */
  readonly identityIssuer: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly heartbeatIntervalMs: number
  readonly silenceAfterMs: number
  readonly windowSize: number
  readonly gathered: () => Promise<void>
  readonly beingNoted: BeingNoted
}

type SessionState =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'live'; readonly live: LiveSession; readonly handle: LiveHandle }
  | { readonly kind: 'ended'; readonly reason: string }

export interface Session {
  end(reason: string): void
  /** It is live, or has ended before it was. */
  readonly greeted: Promise<void>
  /** Nothing of the session touches the store any more. */
  readonly settled: Promise<void>
}

export function startSession(call: SessionCall, hostId: HostId, ports: SessionPorts): Session {
  const { clock, random, sessions } = ports
  const sessionId = random.uuid()
  const log = ports.log.child({ hostId, sessionId })
  const outgoing = createOutgoing<SessionResponse | Uint8Array>(call)
  const greeted = Promise.withResolvers<void>()
  const settled = Promise.withResolvers<void>()
  const cancels: (() => void)[] = []
  let state: SessionState = { kind: 'greeting' }
  let lastHeard = { unixMs: clock.nowMs(), monotonicMs: clock.monotonicMs() }
  let handling: Promise<void> = Promise.resolve()

  const sendBody = (body: SessionResponse['body']) => outgoing.send(create(SessionResponseSchema, { body }))

  function end(reason: string, code: status = status.ABORTED): void {
    if (state.kind === 'ended') return
    if (state.kind === 'live') {
      state.live.stop()
      sessions.remove(state.handle)
      ports.queries.forgetHost(hostId)
    }
    log.info({ state: state.kind, reason }, 'A session has ended.')
    state = { kind: 'ended', reason }
    greeted.resolve()
    for (const cancel of cancels) cancel()
    outgoing.end()
    if (code === status.OK) call.end()
    else if (!call.cancelled) call.emit('error', { code, details: reason })
    void handling.then(() => untilNoted(hostId, ports.beingNoted)).finally(settled.resolve)
  }

  function fail(thrown: unknown): void {
    if (state.kind === 'ended') return
    if (thrown instanceof ProtocolError)
      log.error({ reason: thrown.message }, 'The agent broke the protocol.')
    else log.error({ err: thrown }, 'A session failed.')
    const isPeersFault = thrown instanceof ProtocolError
    end(describeCauses(thrown), isPeersFault ? status.FAILED_PRECONDITION : status.UNAVAILABLE)
  }

  async function greet({ facts, ...hello }: Hello): Promise<void> {
    // What it has carried out under its former session is not on its way any more, and is missed where it is not reported.
    await untilNoted(hostId, ports.beingNoted)
    const registration = await registerHost(hello, facts, { ...ports, hostId, nowMs: clock.nowMs() })
    if (state.kind !== 'greeting') return
    if (registration.kind === 'refused') {
      const { reason, message } = registration
      log.error({ reason }, message)
      await sendBody({ case: 'refusal', value: create(RefusalSchema, { reason, message }) })
      end(message, status.OK)
      return
    }
    const { epoch, nextCommandSequence } = registration
    const live = startLiveSession({
      ...ports,
      ...{ hostId, hello, epoch, nextCommandSequence, log },
      send: outgoing.send,
      sendCommand: (command) => outgoing.send(encodeResponse(command)),
      onFailure: fail,
    })
    const handle: LiveHandle = {
      hostId,
      sessionId,
      connectedSinceMs: clock.nowMs(),
      lastHeard: () => lastHeard,
      nudge: live.nudge,
      offer: live.offer,
      ask: (value) => sendBody({ case: 'query', value }),
      tellMembers: (value) => void sendBody({ case: 'networkMembers', value }),
      isBehind: outgoing.isBehind,
      end,
    }
    state = { kind: 'live', live, handle }
    greeted.resolve()
    sessions.replace(handle)
    log.info({ epoch, nextCommandSequence, agentVersion: hello.agentVersion }, 'A host is connected.')
    const welcoming = sendBody({
      case: 'welcome',
      value: create(WelcomeSchema, {
        sessionId,
        epoch,
        nextCommandSequence: BigInt(nextCommandSequence),
        heartbeatIntervalMs: ports.heartbeatIntervalMs,
        silenceAfterMs: ports.silenceAfterMs,
        identityIssuer: ports.identityIssuer,
      }),
    })
    live.nudge()
    await welcoming
  }

  function receive({ body }: SessionRequest): Promise<void> | undefined {
    lastHeard = { unixMs: clock.nowMs(), monotonicMs: clock.monotonicMs() }
    switch (state.kind) {
      case 'greeting':
        if (body.case !== 'hello') throw new ProtocolError('The first message was not Hello.')
        return greet(body.value)
      case 'live':
        return state.live.receive(body)
      case 'ended':
        return undefined
    }
  }

  // One message at a time; a peer that sends faster than the store takes is slowed down by its own stream.
  call.on('data', (request: SessionRequest) => {
    try {
      const work = receive(request)
      if (work === undefined) return
      call.pause()
      handling = work.then(() => void call.resume(), fail)
    } catch (thrown) {
      fail(thrown)
    }
  })
  call.on('end', () => end('The agent ended it.', status.OK))
  call.on('cancelled', () => end('The connection broke.'))
  call.on('error', (error) => end(describeCauses(error)))
  cancels.push(
    clock.every(ports.heartbeatIntervalMs, () => {
      if (state.kind === 'greeting' || outgoing.isBehind()) return
      void sendBody({
        case: 'heartbeat',
        value: create(HeartbeatSchema, { sentAtUnixMs: BigInt(clock.nowMs()) }),
      })
    }),
    clock.after(ports.silenceAfterMs, () => {
      if (state.kind === 'greeting') end('No Hello came.', status.DEADLINE_EXCEEDED)
    }),
  )
  return {
    end: (reason) => end(reason, status.UNAVAILABLE),
    greeted: greeted.promise,
    settled: settled.promise,
  }
}

// Owns the agent's session with the scheduler: connects, says who it is, takes commands into the journal, sends what the
// host observes until it is durable there, and connects again. In: the AgentSide. Out: states for the log.
// It never decides what a command means, and a host without a scheduler goes on as it is.
import { create } from '@bufbuild/protobuf'
import {
  type ClientDuplexStream,
  credentials,
  Metadata,
  makeClientConstructor,
  type ServiceClientConstructor,
} from '@grpc/grpc-js'
import { backoffMs } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import { grpcServiceOf } from '../../lib/grpc-service.ts'
import { describeCauses, type Logger } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import {
  AgentService,
  HelloSchema,
  type SessionRequest,
  SessionRequestSchema,
  type SessionResponse,
} from '../../proto/gen/berth/agent/v1/session_pb.ts'
import { Conversation } from './conversation.ts'
import type { AgentSide } from './ports.ts'
import { sendBytesOver } from './send-bytes.ts'
import { serveConsoleOver } from './serve-console.ts'

export interface SessionClientOptions {
  /** host:port */
  readonly address: string
  readonly token: string
  /** PEM of the authority that signed the scheduler's certificate; without it the connection is in clear. */
  readonly tls?: { readonly authority: string }
  readonly side: AgentSide
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly minBackoffMs?: number
  readonly maxBackoffMs?: number
}

export type SessionState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'ready'; readonly sessionId: string; readonly epoch: number }
  | { readonly kind: 'waiting'; readonly attempt: number; readonly why: string }
  | { readonly kind: 'closed' }

export interface SessionClient {
  state(): SessionState
  close(): Promise<void>
}

export type AgentStream = ClientDuplexStream<SessionRequest, SessionResponse>

const AgentClient: ServiceClientConstructor = makeClientConstructor(
  grpcServiceOf(AgentService),
  'AgentService',
)

/** @throws where the token would travel in clear off loopback. */
export function startSession(options: SessionClientOptions): SessionClient {
  const { side, clock, random, address } = options
  const log = options.log.child({ component: 'session' })
  refuseClearOffLoopback(options)
  const { minBackoffMs = 200, maxBackoffMs = 15_000 } = options
  const channel = options.tls
    ? credentials.createSsl(Buffer.from(options.tls.authority))
    : credentials.createInsecure()
  let state: SessionState = { kind: 'connecting' }
  let endConversation = () => {}
  let readySinceMs: number | undefined
  const ending = new AbortController()
  const isClosing = () => ending.signal.aborted

  const setState = (next: SessionState) => {
    state = next
  }

  /** Resolves with the reason when the session is over. */
  const runOnce = async (): Promise<string> => {
    const hello = await helloOf(side)
    if (isClosing()) return 'the agent stops'
    const client = new AgentClient(address, channel, {
      'grpc.max_receive_message_length': 16 * 1024 * 1024,
      // One connection for each agent, also where many agents share a process.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
    })
    const metadata = metadataOf(options)
    try {
      return await new Promise<string>((resolve) => {
        const open = client['session'] as unknown as (metadata: Metadata) => AgentStream
        const stream = open.call(client, metadata)
        const conversation = new Conversation({
          stream,
          side,
          clock,
          log,
          onReady: (welcome) => {
            log.info({ sessionId: welcome.sessionId, epoch: welcome.epoch }, 'Connected to the scheduler.')
            readySinceMs = clock.monotonicMs()
            setState({ kind: 'ready', sessionId: welcome.sessionId, epoch: welcome.epoch })
          },
          onOver: resolve,
          sendBytes: sendBytesOver(client, metadata),
          serveConsole: serveConsoleOver(client, metadata, { clock, log }),
        })
        endConversation = () => conversation.end('the agent stops')
        stream.write(create(SessionRequestSchema, { body: { case: 'hello', value: hello } }))
      })
    } finally {
      endConversation = () => {}
      client.close()
    }
  }

  const run = async () => {
    let attempt = 0
    while (!isClosing()) {
      setState({ kind: 'connecting' })
      const why = await runOnce().catch((thrown: unknown) => describeCauses(thrown))
      if (isClosing()) break
      // A session that breaks as soon as it stands is no better than none.
      attempt =
        readySinceMs !== undefined && clock.monotonicMs() - readySinceMs > maxBackoffMs ? 0 : attempt + 1
      readySinceMs = undefined
      setState({ kind: 'waiting', attempt, why })
      // Once for each outage at full voice, then as detail.
      if (attempt <= 1) log.warn({ why, address }, 'No session with the scheduler; guests are not affected.')
      else log.debug({ why, address, attempt }, 'Still no session.')
      const waitMs = backoffMs({ attempt, minMs: minBackoffMs, maxMs: maxBackoffMs, random })
      await clock.sleep(waitMs, ending.signal).catch(() => {})
    }
    setState({ kind: 'closed' })
  }

  const running = run()
  return {
    state: () => state,
    close: async () => {
      ending.abort()
      endConversation()
      await running
    },
  }
}

async function helloOf(side: AgentSide) {
  const { epoch, lastCommandSequence } = side.position()
  return create(HelloSchema, {
    hostId: side.hostId,
    zone: side.zone,
    journalUuid: side.journalUuid,
    bootId: await side.bootId(),
    agentVersion: side.agentVersion,
    facts: await side.facts(),
    epoch,
    lastCommandSequence,
  })
}

function metadataOf(options: SessionClientOptions): Metadata {
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${options.token}`)
  metadata.set('berth-host-id', options.side.hostId)
  return metadata
}

function refuseClearOffLoopback(options: SessionClientOptions): void {
  const host = options.address.replace(/:\d+$/, '')
  if (options.tls || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(host)) return
  throw new Error(
    `The agent's token would travel in clear to ${options.address}: set scheduler.tls, or use a loopback address.`,
  )
}

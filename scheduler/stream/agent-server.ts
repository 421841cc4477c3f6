// Where agents connect: the region's side of every session. In: gRPC calls; out: the fleet's connectedness, commands
// delivered from the outbox, reports in the store, answers to questions. It decides nothing about instances, and a
// silent host is silent, not lost: all that follows is that placement leaves it out.
import { Server, ServerCredentials, type sendUnaryData, status } from '@grpc/grpc-js'
import PQueue from 'p-queue'
import type { Clock } from '../../lib/clock.ts'
import { grpcServiceOf } from '../../lib/grpc-service.ts'
import type { Logger } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import { AgentService, type SendBytesResponse } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { HostId } from '../../proto/ids.ts'
import { isLoopback } from '../loopback.ts'
import type { CommandDispatch, HostQueries } from '../operations/ports.ts'
import type { Store } from '../store/store.ts'
import { gatherFor } from './acknowledgements.ts'
import type { ConsoleCall } from './console-calls.ts'
import { openFleet, type WatchedFleet } from './fleet.ts'
import { startMemberNames } from './member-names.ts'
import { type PeerSettings, peerIdentity } from './peer-identity.ts'
import { createPendingQueries } from './pending-queries.ts'
import { pollOutboxes } from './poll-outboxes.ts'
import { type BytesCall, receiveBytes } from './receive-bytes.ts'
import { type Session, type SessionCall, startSession } from './session.ts'
import { createSessions, type SessionInfo } from './sessions.ts'

export interface AgentServerOptions {
  readonly host: string
  /** 0 takes any free one. */
  readonly port: number
  /** The secret that agents share with the scheduler. */
  readonly token: string
  /** PEM. Without it the listener stays on loopback. */
  readonly tls?: { readonly certificate: string; readonly key: string }
  readonly store: Store
  /** Who the tokens of guests' identity are from. */
  readonly identityIssuer: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly heartbeatIntervalMs?: number
  /** A host that is silent for so long takes no new instances. */
  readonly silenceAfterMs?: number
  /** Behind nudges, which can be lost with the process that would have sent them. */
  readonly pollIntervalMs?: number
  /** How many commands a host is ahead of its acknowledgements at most. */
  readonly windowSize?: number
  readonly queryTimeoutMs?: number
}

export interface AgentServer {
  readonly port: number
  /** host:port, as agents dial it. */
  readonly address: string
  readonly fleet: WatchedFleet
  readonly dispatch: CommandDispatch
  readonly queries: HostQueries
  /** For operators: who is connected, since when, last heard when. */
  sessions(): readonly SessionInfo[]
  /** Has a session that is not silent. */
  isConnected(hostId: HostId): boolean
  close(): Promise<void>
}

/**
 * When all come back at once, what the others say of themselves is not even read meanwhile: read and kept in memory, it would
 * leave gaps between all that stays.
 */
const greetedAtOnce = 64

// A command with the largest metadata that a request may have fits many times; a peer can't make the process swell.
const maximumMessageBytes = 4 * 1024 * 1024

/** @throws where the address can't be had, or would carry the agents' token in the clear. */
export async function startAgentServer(options: AgentServerOptions): Promise<AgentServer> {
  assertSafe(options)
  const { store, clock, random, log } = options
  const peers: PeerSettings = { sharedToken: options.token }
  const heartbeatIntervalMs = options.heartbeatIntervalMs ?? 10_000
  const silenceAfterMs = options.silenceAfterMs ?? 3 * heartbeatIntervalMs
  const sessions = createSessions({
    ...{ clock, log, silenceAfterMs },
    onConnectedness: (hostId) => fleet.noteConnectedness(hostId),
  })
  const queries = createPendingQueries({
    ...{ sessions, clock, random },
    timeoutMs: options.queryTimeoutMs ?? 10_000,
  })
  const ports = {
    ...{ ...options, sessions, queries, heartbeatIntervalMs, silenceAfterMs },
    windowSize: options.windowSize ?? 32,
    gathered: gatherFor({ clock }),
    beingNoted: new Map(),
  }
  const open = new Set<Session>()
  const greetings = new PQueue({ concurrency: greetedAtOnce })
  let isClosing = false

  const server = new Server({
    'grpc.max_receive_message_length': maximumMessageBytes,
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 30_000,
  })
  server.addService(grpcServiceOf(AgentService), {
    session: (call: SessionCall) => {
      const peer = peerIdentity(call, peers)
      if (isClosing || peer.kind === 'refused') {
        if (peer.kind === 'refused') log.warn({ peer: call.getPeer() }, peer.message)
        const details = peer.kind === 'refused' ? peer.message : 'The scheduler is closing.'
        call.emit('error', { code: isClosing ? status.UNAVAILABLE : status.UNAUTHENTICATED, details })
        return
      }
      void greetings.add(() => {
        if (call.cancelled || isClosing) return undefined
        const session = startSession(call, peer.hostId, ports)
        open.add(session)
        void session.settled.then(() => open.delete(session))
        return session.greeted
      })
    },
    sendBytes: (call: BytesCall, respond: sendUnaryData<SendBytesResponse>) => {
      const peer = peerIdentity(call, peers)
      if (peer.kind === 'host') receiveBytes(call, { hostId: peer.hostId, queries }, respond)
      else respond({ code: status.UNAUTHENTICATED, details: peer.message })
    },
    console: (call: ConsoleCall) => {
      const peer = peerIdentity(call, peers)
      if (peer.kind === 'host') queries.takeConsole(peer.hostId, call)
      else call.emit('error', { code: status.UNAUTHENTICATED, details: peer.message })
    },
  })
  const fleet = await openFleet({ store, isConnected: sessions.isConnected })
  const port = await listen(server, options)
  const memberNames = startMemberNames({ store, sessions, clock, log })
  const stopPolling = pollOutboxes({
    store,
    sessions,
    clock,
    log,
    intervalMs: options.pollIntervalMs ?? 1000,
  })
  const stopNoting = clock.every(heartbeatIntervalMs, () => sessions.noteSilence())
  const address = `${bracketed(options.host)}:${port}`
  log.info({ address, tls: options.tls !== undefined }, 'Agents can connect.')

  return {
    port,
    address,
    fleet,
    dispatch: {
      nudge: (hostId) => sessions.find(hostId)?.nudge(),
      offer: (hostId, command) => sessions.find(hostId)?.offer(command),
    },
    queries,
    sessions: sessions.list,
    isConnected: sessions.isConnected,
    close: async () => {
      isClosing = true
      stopNoting()
      stopPolling()
      await memberNames.close()
      const ending = Array.from(open, (session) => {
        session.end('The scheduler is closing.')
        return session.settled
      })
      await Promise.all(ending)
      server.forceShutdown()
    },
  }
}

function assertSafe({ host, port, tls, token }: AgentServerOptions): void {
  if (token === '') {
    throw new Error("Agents can't be told from strangers: set the token that they share with the scheduler.")
  }
  if (tls === undefined && !isLoopback(host)) {
    throw new Error(
      `Agents' sessions on ${bracketed(host)}:${port} would travel in the clear, token and all: give a TLS certificate and key, or listen on 127.0.0.1.`,
    )
  }
}

const bracketed = (host: string) => (host.includes(':') ? `[${host}]` : host)

async function listen(server: Server, { host, port, tls }: AgentServerOptions): Promise<number> {
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [
          { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.certificate) },
        ])
  return new Promise((resolve, reject) => {
    server.bindAsync(`${bracketed(host)}:${port}`, credentials, (error, bound) => {
      if (error) reject(new Error(`Agents can't connect at ${bracketed(host)}:${port}.`, { cause: error }))
      else resolve(bound)
    })
  })
}

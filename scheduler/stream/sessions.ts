import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { NetworkMembers } from '../../proto/gen/berth/agent/v1/network_pb.ts'
import type { Query } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { HostId } from '../../proto/ids.ts'
import type { QueuedCommand } from '../model/queued-command.ts'

/** A session that has been welcomed, as the rest of the stream sees it. */
export interface LiveHandle {
  readonly hostId: HostId
  readonly sessionId: string
  readonly connectedSinceMs: number
  lastHeard(): { readonly unixMs: number; readonly monotonicMs: number }
  nudge(): void
  offer(command: QueuedCommand): void
  ask(query: Query): Promise<void>
  tellMembers(members: NetworkMembers): void
  /** The host reads slower than it is told. */
  isBehind(): boolean
  end(reason: string): void
}

export interface SessionInfo {
  readonly hostId: HostId
  readonly sessionId: string
  readonly connectedSinceMs: number
  readonly lastHeardMs: number
  readonly isSilent: boolean
}

export interface Sessions {
  /** The newest session of a host is its only one. */
  replace(session: LiveHandle): void
  /** Of this very session: one that has replaced it stays. */
  remove(session: LiveHandle): void
  find(hostId: HostId): LiveHandle | undefined
  isConnected(hostId: HostId): boolean
  list(): readonly SessionInfo[]
  /** Logs which hosts have fallen silent or came back since the last call. Silence does nothing else. */
  noteSilence(): void
}

export function createSessions({
  clock,
  log,
  silenceAfterMs,
  onConnectedness = () => {},
}: {
  clock: Clock
  log: Logger
  silenceAfterMs: number
  /** A host is there, anew or heard again, or it is not any more. */
  onConnectedness?: (hostId: HostId) => void
}): Sessions {
  const live = new Map<HostId, LiveHandle>()
  const silent = new Set<HostId>()

  const isSilent = (session: LiveHandle) =>
    clock.monotonicMs() - session.lastHeard().monotonicMs > silenceAfterMs

  const isConnected = (hostId: HostId) => {
    const session = live.get(hostId)
    return session !== undefined && !isSilent(session)
  }

  return {
    replace: (session) => {
      const former = live.get(session.hostId)
      live.set(session.hostId, session)
      former?.end('The host has opened another session.')
      onConnectedness(session.hostId)
    },
    remove: (session) => {
      if (live.get(session.hostId) !== session) return
      live.delete(session.hostId)
      silent.delete(session.hostId)
      onConnectedness(session.hostId)
    },
    find: (hostId) => live.get(hostId),
    isConnected,
    list: () =>
      Array.from(live.values(), (session) => ({
        hostId: session.hostId,
        sessionId: session.sessionId,
        connectedSinceMs: session.connectedSinceMs,
        lastHeardMs: session.lastHeard().unixMs,
        isSilent: isSilent(session),
      })),
    noteSilence: () => {
      for (const session of live.values()) {
        const { hostId } = session
        if (isSilent(session) === silent.has(hostId)) continue
        if (silent.delete(hostId)) {
          log.info({ hostId }, 'The host is heard again.')
        } else {
          silent.add(hostId)
          log.warn({ hostId, lastHeardMs: session.lastHeard().unixMs }, 'The host has fallen silent.')
        }
        onConnectedness(hostId)
      }
    },
  }
}

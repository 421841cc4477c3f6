// What systemd gives to a service that it has started, and what it wants to hear of it; nothing of either where somebody
// else has started this program. In: the environment. Out: a listening socket's descriptor, and messages.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Clock } from '../lib/clock.ts'
import { ConfigError, readEnvironment } from '../lib/config.ts'
import type { Logger } from '../lib/log.ts'

/** As sd_listen_fds(3) has it. */
const firstSocket = 3
const notifyTimeoutMs = 10_000

type Environment = (name: string) => string | undefined

/** The descriptor of the socket that HTTP comes by; undefined where the settings say where to listen. */
export function findInheritedSocket(ownPid: number, environment: Environment = readEnvironment) {
  // The variables may be those of a process above this one.
  if (environment('LISTEN_PID') !== String(ownPid)) return undefined
  const count = environment('LISTEN_FDS')
  if (count === '1') return firstSocket
  throw new ConfigError(`berth-scheduler.socket gives ${count ?? 'no'} sockets: name one ListenStream.`)
}

/** Says that requests are answered, and from then on that this process is alive. The result stops that. */
export async function tellServiceManager(options: {
  readonly clock: Clock
  readonly log: Logger
  readonly environment?: Environment
  readonly notify?: (state: string) => Promise<unknown>
}): Promise<() => void> {
  const { clock, log, environment = readEnvironment, notify = runNotify } = options
  if (environment('NOTIFY_SOCKET') === undefined) return () => {}
  await notify('READY=1')
  const deadlineMs = Number(environment('WATCHDOG_USEC') ?? 0) / 1000
  if (deadlineMs === 0) return () => {}
  return clock.every(deadlineMs / 3, () => {
    notify('WATCHDOG=1').catch((err: unknown) => log.warn({ err }, 'systemd could not be told.'))
  })
}

/** Node has no datagram sockets of the family unix. */
const runNotify = (state: string) =>
  promisify(execFile)('systemd-notify', [state], { timeout: notifyTimeoutMs })

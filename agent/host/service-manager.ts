import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Clock } from '../../lib/clock.ts'
import { readEnvironment } from '../../lib/config.ts'
import type { Logger } from '../../lib/log.ts'
import { programEnvironment } from './program-environment.ts'

const notifyTimeoutMs = 10_000

/**
 * Tells systemd, where that has started the agent and wants to know, that every guest is adopted, and from then on that
 * the agent is alive. The result stops that.
 */
export async function tellServiceManager(options: {
  readonly clock: Clock
  readonly log: Logger
  readonly environment?: (name: string) => string | undefined
  readonly notify?: (state: string, socket: string) => Promise<unknown>
}): Promise<() => void> {
  const { clock, log, environment = readEnvironment, notify = runNotify } = options
  const socket = environment('NOTIFY_SOCKET')
  if (socket === undefined) return () => {}
  await notify('READY=1', socket)
  const deadlineMs = Number(environment('WATCHDOG_USEC') ?? 0) / 1000
  if (deadlineMs === 0) return () => {}
  return clock.every(deadlineMs / 3, () => {
    notify('WATCHDOG=1', socket).catch((err: unknown) => log.warn({ err }, 'systemd could not be told.'))
  })
}

/**
 * Node has no datagram sockets of the family unix. Not in line with the host's other programs: a host that starts many
 * guests at once is alive.
 */
const runNotify = (state: string, socket: string) =>
  promisify(execFile)('systemd-notify', [state], {
    env: { ...programEnvironment, NOTIFY_SOCKET: socket },
    timeout: notifyTimeoutMs,
  })

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Clock } from './clock.ts'
import { readEnvironment } from './config.ts'
import type { Logger } from './log.ts'

const notifyTimeoutMs = 10_000

/**
 * Tells systemd, where that has started this program and wants to know, that it is ready, and from then on that it is
 * alive. The result stops that.
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
 * Node has no datagram sockets of the family unix. Not in line with an agent's other programs: a host that starts many
 * guests at once is alive. It is given nothing else of the environment, which may hold secrets.
 */
const runNotify = (state: string, socket: string) =>
  promisify(execFile)('systemd-notify', [state], {
    env: { PATH: readEnvironment('PATH'), NOTIFY_SOCKET: socket },
    timeout: notifyTimeoutMs,
  })

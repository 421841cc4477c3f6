// Runs guests in QEMU, spoken to over QMP. In: plans with nothing left to choose. Out: handles that survive the agent,
// and the news when a guest ends. It never kills what it does not recognise by pid and start time.
import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/log.ts'
import { ExecError, type Processes, type Sockets } from '../../host/ports.ts'
import { Monitors } from './monitors.ts'
import {
  type GuestEnd,
  type GuestHandle,
  type GuestPlan,
  type GuestStatus,
  type HypervisorDriver,
  HypervisorError,
} from './port.ts'
import { type QmpClient, QmpError, QmpLost } from './qmp-client.ts'
import type { Supervision } from './supervision.ts'

export interface QemuDriverOptions {
  readonly supervision: Supervision
  readonly processes: Processes
  readonly sockets: Sockets
  readonly clock: Clock
  readonly log: Logger
}

const connectPollMs = 25
const killTimeoutMs = 10_000
const reconnectMs = 500

export function createQemuDriver(options: QemuDriverOptions): HypervisorDriver {
  const { supervision, processes, sockets, clock } = options
  const monitors = new Monitors({ sockets, clock })
  /** Ended here: their watchers need not wonder. */
  const killed = new Set<string>()

  const kill = async (handle: GuestHandle, path: string): Promise<void> => {
    killed.add(path)
    try {
      await quit(monitors, path)
      if (!(await processes.waitGone(handle.process, killTimeoutMs))) {
        await processes.signal(handle.process, 'SIGKILL')
        if (!(await processes.waitGone(handle.process, killTimeoutMs))) {
          throw new HypervisorError(
            'UNRESPONSIVE',
            `QEMU (process ${handle.process.pid}) does not end, not even by force: a device may hold it.`,
          )
        }
      }
      await supervision.cleanUp(handle)
    } finally {
      monitors.close(path)
      killed.delete(path)
    }
  }

  const start = async (plan: GuestPlan): Promise<GuestHandle> => {
    const handle = await launch(supervision, plan)
    try {
      const monitor = await connect(plan, handle)
      await monitor.execute('cont')
      return handle
    } catch (thrown) {
      await kill(handle, plan.qmpSocketPath)
      if (thrown instanceof HypervisorError && thrown.reason === 'START_TIMEOUT') throw thrown
      const said = lastLine(await supervision.readLastWords(plan))
      throw new HypervisorError('START_FAILED', `QEMU did not start: ${said}.`, { cause: thrown })
    }
  }

  /** QEMU takes a moment to make its socket; one that can't make its machine ends instead. */
  const connect = async (plan: GuestPlan, handle: GuestHandle): Promise<QmpClient> => {
    const untilMs = clock.monotonicMs() + plan.startTimeoutMs
    for (;;) {
      try {
        return await monitors.get(plan.qmpSocketPath)
      } catch (thrown) {
        if (!(await processes.isAlive(handle.process))) throw thrown
        if (clock.monotonicMs() > untilMs) {
          const seconds = plan.startTimeoutMs / 1000
          throw new HypervisorError('START_TIMEOUT', `QEMU runs but did not answer in ${seconds} s.`, {
            cause: thrown,
          })
        }
        await clock.sleep(connectPollMs)
      }
    }
  }

  const status = async (handle: GuestHandle, path: string): Promise<GuestStatus> => {
    if (!(await processes.isAlive(handle.process))) return { kind: 'gone' }
    try {
      const monitor = await monitors.get(path)
      const { status: state } = (await monitor.execute('query-status')) as { status: string }
      if (state === 'shutdown') return { kind: 'powered-off' }
      return state === 'prelaunch' ? { kind: 'prelaunch' } : { kind: 'running' }
    } catch (thrown) {
      if (!(await processes.isAlive(handle.process))) return { kind: 'gone' }
      // It lives and does not answer: what is known is that it is there.
      options.log.warn({ err: thrown, pid: handle.process.pid }, 'A guest that runs does not answer on QMP.')
      return { kind: 'running' }
    }
  }

  const watch = (handle: GuestHandle, path: string, onEnd: (end: GuestEnd) => void): (() => void) => {
    let isOver = false
    const over = (end?: GuestEnd) => {
      if (isOver) return
      isOver = true
      if (end && !killed.has(path)) onEnd(end)
    }
    const look = async () => {
      while (!isOver) {
        const now = await status(handle, path)
        if (now.kind === 'powered-off') return over({ kind: 'powered-off' })
        if (now.kind === 'gone') return over({ kind: 'crashed', message: 'its process is gone.' })
        const monitor = await monitors.get(path).catch(() => undefined)
        if (monitor) await endOf(monitor, over)
        // The connection was cut: whether the guest ended too is asked of the process.
        await clock.sleep(reconnectMs)
      }
    }
    void look()
    return () => {
      isOver = true
    }
  }

  return {
    start,
    status,
    watch,
    kill,
    powerDown: async (_handle, path) => {
      await (await monitors.get(path)).execute('system_powerdown')
    },
    readSerial: async (_handle, path, maxBytes) => {
      const monitor = await monitors.get(path)
      const text = await monitor.execute('ringbuf-read', {
        device: 'serial0',
        size: maxBytes,
        format: 'base64',
      })
      return Buffer.from(String(text), 'base64')
    },
  }
}

async function launch(supervision: Supervision, plan: GuestPlan): Promise<GuestHandle> {
  try {
    return await supervision.launch(plan)
  } catch (thrown) {
    if (!(thrown instanceof ExecError)) throw thrown
    throw new HypervisorError('START_FAILED', `QEMU did not start: ${lastLine(thrown.message)}.`, {
      cause: thrown,
    })
  }
}

/** What QEMU complained of last is why it gave up. */
function lastLine(stderr: string): string {
  return (
    stderr
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^\S+Z qemu-system-\w+: /, '')
      .replace(/\.$/, '') || 'it gave no reason'
  )
}

/** Resolves when the connection is closed; tells the guest's own end before that. */
function endOf(monitor: QmpClient, over: (end: GuestEnd) => void): Promise<void> {
  return new Promise((resolve) => {
    const stop = monitor.onEvent(({ event, data }) => {
      // Only what the guest did by itself: the host's own wishes come with guest: false.
      if (event === 'SHUTDOWN' && data['guest'] === true) over({ kind: 'powered-off' })
      if (event === 'GUEST_PANICKED') over({ kind: 'crashed', message: 'its kernel panicked.' })
    })
    monitor.onClose(() => {
      stop()
      resolve()
    })
  })
}

async function quit(monitors: Monitors, path: string): Promise<void> {
  try {
    const monitor = await monitors.get(path)
    await monitor.execute('quit', undefined, { timeoutMs: 2000 })
  } catch (thrown) {
    // A QEMU that is gone, or can't be asked, is ended by its process.
    if (!(thrown instanceof QmpLost || thrown instanceof QmpError || isConnectionFailure(thrown)))
      throw thrown
  }
}

function isConnectionFailure(thrown: unknown): boolean {
  const code = (thrown as NodeJS.ErrnoException | undefined)?.code
  return code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ECONNRESET'
}

// Runs guests in QEMU, spoken to over QMP. In: plans with nothing left to choose. Out: handles that survive the agent,
// and the news when a guest ends. It never kills what it does not recognise by pid and start time.
import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/log.ts'
import { type Exec, ExecError, type Processes, type Sockets } from '../../host/ports.ts'
import { createHotPlug } from './hot-plug.ts'
import { loadMemory, saveMemory } from './memory-file.ts'
import { Monitors } from './monitors.ts'
import { pinThreads } from './pin-threads.ts'
import {
  type GuestEnd,
  type GuestHandle,
  type GuestPlan,
  type GuestStatus,
  type HypervisorDriver,
  HypervisorError,
} from './port.ts'
import { type QmpClient, QmpLost } from './qmp-client.ts'
import { createSerialPort } from './serial-port.ts'
import type { Supervision } from './supervision.ts'

export interface QemuDriverOptions {
  readonly supervision: Supervision
  readonly exec: Exec
  readonly processes: Processes
  readonly sockets: Sockets
  readonly clock: Clock
  readonly log: Logger
}

const connectPollMs = 5
const killTimeoutMs = 10_000
const quitTimeoutMs = 2000
const reconnectMs = 500

export function createQemuDriver(options: QemuDriverOptions): HypervisorDriver {
  const { supervision, exec, processes, sockets, clock, log } = options
  const monitors = new Monitors({ sockets, clock })
  /** Who watches which guest: an end that was asked for here is no news. */
  const watchers = new Set<{ readonly path: string; readonly stop: () => void }>()

  const kill = async (handle: GuestHandle, path: string): Promise<void> => {
    for (const watcher of [...watchers]) if (watcher.path === path) watcher.stop()
    try {
      const isAsked = await quit(path)
      if (!isAsked || !(await processes.waitGone(handle.process, killTimeoutMs))) {
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
    }
  }

  /** false where it can't be asked, whatever the reason: then it is ended by its process. */
  const quit = async (path: string): Promise<boolean> => {
    try {
      const monitor = await monitors.get(path, quitTimeoutMs)
      await monitor.execute('quit', undefined, { timeoutMs: quitTimeoutMs })
      return true
    } catch (thrown) {
      options.log.debug({ err: thrown }, 'QEMU could not be asked to quit.')
      return thrown instanceof QmpLost
    }
  }

  const start = async (plan: GuestPlan): Promise<GuestHandle> => {
    const handle = await launch(supervision, plan)
    try {
      const monitor = await connect(plan, handle)
      if (plan.pinning) await pinThreads({ exec, monitor, log }, handle, plan.pinning)
      if (plan.memory) {
        await loadMemory(monitor, plan.memory.path)
        await plan.memory.onLoaded()
      }
      await plan.connected
      await monitor.execute('cont')
      return handle
    } catch (thrown) {
      await kill(handle, plan.qmpSocketPath)
      if (thrown instanceof HypervisorError) throw thrown
      const said = lastLine(await supervision.readLastWords(plan))
      throw new HypervisorError('START_FAILED', `QEMU did not start: ${said}.`, { cause: thrown })
    }
  }

  /** QEMU takes a moment to make its socket; one that can't make its machine ends instead. */
  const connect = async (plan: GuestPlan, handle: GuestHandle): Promise<QmpClient> => {
    const untilMs = clock.monotonicMs() + plan.startTimeoutMs
    for (;;) {
      try {
        // Its socket is there before its machine is: it answers once all memory is filled and pinned.
        return await monitors.get(plan.qmpSocketPath, plan.startTimeoutMs)
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
      if (state === 'prelaunch') return { kind: 'prelaunch' }
      return { kind: state === 'running' ? 'running' : 'paused' }
    } catch (thrown) {
      if (!(await processes.isAlive(handle.process))) return { kind: 'gone' }
      // It lives and does not answer: what is known is that it is there.
      options.log.warn({ err: thrown, pid: handle.process.pid }, 'A guest that runs does not answer on QMP.')
      return { kind: 'running' }
    }
  }

  const watch = (handle: GuestHandle, path: string, onEnd: (end: GuestEnd) => void): (() => void) => {
    const watcher = {
      path,
      stop: () => {
        watchers.delete(watcher)
      },
    }
    watchers.add(watcher)
    const over = (end: GuestEnd) => {
      if (!watchers.has(watcher)) return
      watcher.stop()
      onEnd(end)
    }
    const look = async () => {
      // Listening comes before asking: an end in between is seen by the one or the other.
      const monitor = await monitors.get(path).catch(() => undefined)
      const closed = monitor && endOf(monitor, over)
      const now = await status(handle, path)
      if (now.kind === 'powered-off') over({ kind: 'powered-off' })
      if (now.kind === 'gone') over({ kind: 'crashed', message: 'its process is gone.' })
      await closed
    }
    const lookOn = async () => {
      while (watchers.has(watcher)) {
        await look().catch((thrown: unknown) => {
          options.log.warn({ err: thrown, pid: handle.process.pid }, 'A guest could not be looked at.')
        })
        // The connection was cut: whether the guest ended too is asked of the process.
        await clock.sleep(reconnectMs)
      }
    }
    void lookOn()
    return watcher.stop
  }

  return {
    start,
    status,
    watch,
    kill,
    ...createHotPlug({ monitors, clock }),
    powerDown: async (_handle, path) => {
      await (await monitors.get(path)).execute('system_powerdown')
    },
    reset: async (_handle, path) => {
      await (await monitors.get(path)).execute('system_reset')
    },
    resume: async (_handle, path) => {
      await (await monitors.get(path)).execute('cont')
    },
    saveMemory: async (_handle, path, memoryPath) => saveMemory(await monitors.get(path), memoryPath),
    ...createSerialPort({ monitors, sockets, clock }),
  }
}

async function launch(supervision: Supervision, plan: GuestPlan): Promise<GuestHandle> {
  try {
    return await supervision.launch(plan)
  } catch (thrown) {
    const said = thrown instanceof ExecError ? thrown.message : await supervision.readLastWords(plan)
    throw new HypervisorError('START_FAILED', `QEMU did not start: ${lastLine(said)}.`, { cause: thrown })
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

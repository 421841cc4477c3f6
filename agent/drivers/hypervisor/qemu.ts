// Runs guests in QEMU, spoken to over QMP. In: plans with nothing left to choose. Out: handles that survive the agent,
// and the news when a guest ends. It never kills what it does not recognise by pid and start time.
import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/log.ts'
import {
  type Exec,
  ExecError,
  type Files,
  type Processes,
  type Sockets,
  type Sysfs,
} from '../../host/ports.ts'
import { renderQemuArgs } from '../../plan/qemu-args.ts'
import { endByForce } from './end-by-force.ts'
import { createHotPlug } from './hot-plug.ts'
import { loadMemory, saveMemory } from './memory-file.ts'
import { Monitors } from './monitors.ts'
import { findByPidFile } from './pid-file.ts'
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
import type { ProcessPlan, Supervised, Supervision } from './supervision.ts'

export interface QemuDriverOptions {
  readonly supervision: Supervision
  readonly exec: Exec
  readonly files: Files
  readonly sysfs: Sysfs
  readonly processes: Processes
  readonly sockets: Sockets
  readonly clock: Clock
  readonly log: Logger
}

const connectPollMs = 5
const quitTimeoutMs = 2000
/** Once it has been asked; what is not gone then is forced. */
const quitsWithinMs = 10_000
const reconnectMs = 500

export function createQemuDriver(options: QemuDriverOptions): HypervisorDriver {
  const { supervision, exec, processes, sockets, clock, log } = options
  const monitors = new Monitors({ sockets, clock })
  /** Who watches which guest: an end that was asked for here is no news. */
  const watchers = new Set<{ readonly instanceUid: string; readonly stop: () => void }>()

  const kill = async (guest: GuestHandle): Promise<void> => {
    for (const watcher of [...watchers]) if (watcher.instanceUid === guest.instanceUid) watcher.stop()
    const path = guest.paths.qmpSocket
    try {
      const isAsked = await quit(path)
      if (!isAsked || !(await processes.waitGone(guest.process, quitsWithinMs))) {
        await endByForce(processes, guest)
      }
      await supervision.cleanUp(guest)
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
    const { spec, paths, hardware } = plan.machine
    const asked = processPlanOf(plan)
    const { endTimeoutMs } = plan
    const place = { instanceUid: spec.uid, paths, uid: plan.runAs.uid, endTimeoutMs }
    const guest = { ...place, ...(await launch(supervision, asked)) }
    try {
      const monitor = await connect(plan, guest)
      if (hardware?.pinning) await pinThreads({ exec, monitor, log }, guest.process, hardware.pinning)
      if (plan.memory) {
        await loadMemory(monitor, plan.memory.path)
        await plan.memory.onLoaded()
      }
      await plan.connected
      await monitor.execute('cont')
      return guest
    } catch (thrown) {
      await kill(guest)
      if (thrown instanceof HypervisorError) throw thrown
      const said = lastLine(await supervision.readLastWords(asked))
      throw new HypervisorError('START_FAILED', `QEMU did not start: ${said}.`, { cause: thrown })
    }
  }

  /** QEMU takes a moment to make its socket; one that can't make its machine ends instead. */
  const connect = async (plan: GuestPlan, guest: GuestHandle): Promise<QmpClient> => {
    const untilMs = clock.monotonicMs() + plan.startTimeoutMs
    for (;;) {
      try {
        // Its socket is there before its machine is: it answers once all memory is filled and pinned.
        return await monitors.get(guest.paths.qmpSocket, plan.startTimeoutMs)
      } catch (thrown) {
        if (!(await processes.isAlive(guest.process))) throw thrown
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

  const status = async (guest: GuestHandle): Promise<GuestStatus> => {
    if (!(await processes.isAlive(guest.process))) return { kind: 'gone' }
    try {
      const monitor = await monitors.get(guest.paths.qmpSocket)
      const { status: state } = (await monitor.execute('query-status')) as { status: string }
      if (state === 'shutdown') return { kind: 'powered-off' }
      if (state === 'prelaunch') return { kind: 'prelaunch' }
      return { kind: state === 'running' ? 'running' : 'paused' }
    } catch (thrown) {
      if (!(await processes.isAlive(guest.process))) return { kind: 'gone' }
      // It lives and does not answer: what is known is that it is there.
      options.log.warn({ err: thrown, pid: guest.process.pid }, 'A guest that runs does not answer on QMP.')
      return { kind: 'running' }
    }
  }

  const watch = (guest: GuestHandle, onEnd: (end: GuestEnd) => void): (() => void) => {
    const watcher = {
      instanceUid: guest.instanceUid,
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
      const monitor = await monitors.get(guest.paths.qmpSocket).catch(() => undefined)
      const closed = monitor && endOf(monitor, over)
      const now = await status(guest)
      if (now.kind === 'powered-off') over({ kind: 'powered-off' })
      if (now.kind === 'gone') over({ kind: 'crashed', message: 'its process is gone.' })
      await closed
    }
    const lookOn = async () => {
      while (watchers.has(watcher)) {
        await look().catch((thrown: unknown) => {
          options.log.warn({ err: thrown, pid: guest.process.pid }, 'A guest could not be looked at.')
        })
        // The connection was cut: whether the guest ended too is asked of the process.
        await clock.sleep(reconnectMs)
      }
    }
    void lookOn()
    return watcher.stop
  }

  const tell = async ({ paths }: GuestHandle, command: string): Promise<void> => {
    await (await monitors.get(paths.qmpSocket)).execute(command)
  }

  return {
    start,
    status,
    watch,
    kill,
    ...createHotPlug({ monitors, clock }),
    find: (place) => findByPidFile(options, place),
    powerDown: (guest) => tell(guest, 'system_powerdown'),
    reset: (guest) => tell(guest, 'system_reset'),
    resume: (guest) => tell(guest, 'cont'),
    saveMemory: async ({ paths }, memoryPath) => saveMemory(await monitors.get(paths.qmpSocket), memoryPath),
    ...createSerialPort({ monitors, sockets, clock }),
  }
}

function processPlanOf({ machine, shared, ...plan }: GuestPlan): ProcessPlan {
  const { spec, paths } = machine
  return {
    instanceUid: spec.uid,
    program: plan.program,
    args: renderQemuArgs(machine),
    // What is shared between guests is open to groups, which its QEMU is in.
    runAs: {
      ...plan.runAs,
      supplementaryGids: [...new Set(shared.map(({ gid }) => gid))].toSorted((a, b) => a - b),
    },
    ...{ memlockMib: plan.memlockMib, startTimeoutMs: plan.startTimeoutMs },
    ...{ pidFilePath: paths.pidFile, logPath: paths.qemuLog },
  }
}

async function launch(supervision: Supervision, plan: ProcessPlan): Promise<Supervised> {
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

import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/log.ts'
import { nodeWordsOf } from '../../host/own-programs.ts'
import type { Exec, FileOwner, Files, Processes, ProcessIdentity, Sockets } from '../../host/ports.ts'
import { type AgentDirectories, metadataControlSocket, metadataDirectory } from '../../plan/paths.ts'
import { createKeeperConnection, type KeeperConnection, type KeeperRequest } from './keeper-connection.ts'

/** The keeper as one thing that answers requests: connected to, or started first where nobody answers. */
export interface KeeperProcess {
  request(request: KeeperRequest): Promise<void>
  isRunning(): Promise<boolean>
  /** Returns once it is gone. */
  end(): Promise<void>
  disconnect(): void
}

/** A host that has just booted starts everything at once, and a guest that fails then waits for a person. */
const startTimeoutMs = 90_000
const pollMs = 25
const endTimeoutMs = 5000

const recordSchema = Type.Object({ pid: Type.Integer(), startTimeTicks: Type.String() })

export function createKeeperProcess(options: {
  exec: Exec
  sockets: Sockets
  files: Files
  processes: Processes
  directories: AgentDirectories
  clock: Clock
  log: Logger
  user: FileOwner
  /** The connection ended and nobody here asked for it. */
  onLost: () => void
}): KeeperProcess {
  const { sockets, files, processes, directories, clock, log } = options
  const control = metadataControlSocket(directories)
  const recordPath = `${directories.run}/metadata.pid`
  const logPath = `${directories.run}/metadata.log`
  let connection: KeeperConnection | undefined
  let finding: Promise<unknown> = Promise.resolve()

  const tryConnect = async (): Promise<KeeperConnection | undefined> => {
    const socket = await sockets.connect(control).catch(() => undefined)
    if (!socket) return undefined
    const made = createKeeperConnection({
      socket,
      clock,
      onClose: () => {
        if (connection !== made) return
        connection = undefined
        options.onLost()
      },
    })
    return made
  }

  const readRecord = async (): Promise<ProcessIdentity | undefined> => {
    const content = await files.read(recordPath)
    if (!content) return undefined
    const { pid, startTimeTicks } = Value.Parse(recordSchema, JSON.parse(new TextDecoder().decode(content)))
    return { pid, startTimeTicks: BigInt(startTimeTicks) }
  }

  const start = async () => {
    // One that lives and doesn't answer holds the sockets that its successor needs.
    const silent = await readRecord()
    if (silent && (await processes.signal(silent, 'SIGKILL'))) await processes.waitGone(silent, endTimeoutMs)
    await files.makeDirectory(directories.run)
    await files.makeDirectory(metadataDirectory(directories))
    const user = ['--uid', String(options.user.uid), '--gid', String(options.user.gid)]
    const args = ['--control', control, '--directory', metadataDirectory(directories), ...user]
    const words = [...nodeWordsOf('metadata-keeper'), ...args]
    const pid = await options.exec.start(process.execPath, words, { logPath })
    const identity = await processes.identify(pid)
    if (identity) {
      const record = { pid, startTimeTicks: String(identity.startTimeTicks) }
      await files.writeAtomic(recordPath, JSON.stringify(record), { durable: false })
    }
    log.info({ pid }, 'The metadata service has been started.')
    for (const beganMs = clock.monotonicMs(); clock.monotonicMs() - beganMs < startTimeoutMs; ) {
      const made = await tryConnect()
      if (made) return made
      if (!identity || !(await processes.isAlive(identity))) break
      await clock.sleep(pollMs)
    }
    throw new Error(`The metadata service does not start; ${logPath} says why.`)
  }

  /** One at a time: a second connection would be watched by nobody. */
  const find = (orStart: boolean): Promise<KeeperConnection | undefined> => {
    const run = finding.then(async () => {
      connection ??= await tryConnect()
      if (orStart) connection ??= await start()
      return connection
    })
    finding = run.catch(() => undefined)
    return run
  }

  const disconnect = () => {
    const open = connection
    connection = undefined
    open?.close()
  }

  return {
    request: async (request) => {
      const found = await find(true)
      await found?.request(request)
    },
    isRunning: async () => (await find(false)) !== undefined,
    end: async () => {
      const open = await find(false)
      if (!open) return
      const keeper = await readRecord()
      // Not lost but sent away.
      connection = undefined
      // Whether it answered before it went is no matter; that it went is.
      await open.request({ verb: 'end' }).catch(() => {})
      open.close()
      if (keeper && !(await processes.waitGone(keeper, endTimeoutMs))) {
        throw new Error(`The metadata keeper (process ${keeper.pid}) does not end.`)
      }
      await files.remove(recordPath)
      await files.remove(control)
    },
    disconnect,
  }
}

// The process that starts programs: a fork blocks for milliseconds, the longer the more memory there is to copy the tables
// of. This one is small, and the agent does not wait. It ends with the agent; what runs then goes on.
import { spawn } from 'node:child_process'
import { type FileHandle, open } from 'node:fs/promises'
import { execa } from 'execa'
import { systemClock } from '../../lib/clock.ts'
import {
  type ExecAnswer,
  type ExecCancel,
  type ExecReply,
  type ExecRequest,
  nothingKnown,
  type StartReply,
  type StartRequest,
} from './exec-messages.ts'
import { programEnvironment as env } from './program-environment.ts'

/** How long output may still come once the program has ended; what holds it open then is a daemon that it left behind. */
const lastOutputMs = 2000
/** A program in an uninterruptible call survives SIGKILL; nobody waits for it. */
const killMs = 1000

function main(): void {
  const running = new Map<number, AbortController>()
  const reply = (message: ExecAnswer) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => {})
  }
  // A service manager tells all of a service's processes to end, and the agent still needs this one then.
  process.on('SIGTERM', () => {})
  process.on('SIGINT', () => {})
  process.once('disconnect', () => process.exit())
  process.on('message', (message: ExecRequest | StartRequest | ExecCancel) => {
    if ('cancel' in message) {
      running.get(message.cancel)?.abort()
      return
    }
    if ('logPath' in message) {
      void startProgram(message).then(reply)
      return
    }
    const abort = new AbortController()
    running.set(message.id, abort)
    void runProgram(message, abort.signal).then((ended) => {
      running.delete(message.id)
      reply(ended)
    })
  })
}

async function startProgram({ id, file, args, logPath }: StartRequest): Promise<StartReply> {
  let log: FileHandle | undefined
  try {
    log = await open(logPath, 'a', 0o600)
    const child = spawn(file, args, { detached: true, stdio: ['ignore', log.fd, log.fd], env, cwd: '/' })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    child.unref()
    return { id, pid: child.pid, failure: undefined }
  } catch (thrown) {
    return { id, pid: undefined, failure: thrown instanceof Error ? thrown.message : String(thrown) }
  } finally {
    await log?.close()
  }
}

async function runProgram(request: ExecRequest, signal: AbortSignal): Promise<ExecReply> {
  const running = execa(request.file, request.args, {
    input: request.stdin,
    // A group of its own, so that its children end with it.
    detached: true,
    cleanup: false,
    maxBuffer: request.maxOutputBytes,
    env,
    extendEnv: false,
    cwd: '/',
    reject: false,
    stripFinalNewline: false,
  })
  let isTimeout = false
  let isGivenUp: (reply: ExecReply) => void = () => {}
  const givenUp = new Promise<ExecReply>((resolve) => {
    isGivenUp = resolve
  })
  const end = () => {
    killGroup(running.pid)
    systemClock.after(killMs, () => isGivenUp({ ...nothingKnown(request.id), isTimeout, signal: 'SIGKILL' }))
  }
  const cancelDeadline = systemClock.after(request.timeoutMs, () => {
    isTimeout = true
    end()
  })
  signal.addEventListener('abort', end, { once: true })
  const { nodeChildProcess } = running
  nodeChildProcess.once('exit', () => {
    systemClock.after(lastOutputMs, () => {
      running.stdout.destroy()
      running.stderr.destroy()
    })
  })
  const finished = running.then((result) => {
    if (result.isMaxBuffer) killGroup(running.pid)
    return {
      id: request.id,
      code: result.exitCode ?? nodeChildProcess.exitCode ?? undefined,
      signal: result.signal,
      isTimeout,
      isMissing: result.code === 'ENOENT',
      isTooMuch: result.isMaxBuffer,
      stdout: result.stdout,
      stderr: result.stderr,
      failure: result.failed ? (result.originalMessage ?? result.shortMessage) : undefined,
    }
  })
  try {
    return await Promise.race([finished, givenUp])
  } finally {
    cancelDeadline()
    signal.removeEventListener('abort', end)
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // All of it has ended already.
  }
}

main()

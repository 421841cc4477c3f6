import { spawn } from 'node:child_process'
import PQueue from 'p-queue'
import type { ExecReply, StartReply } from './exec-messages.ts'
import { createExecStarter, type ExecStarter } from './exec-starter.ts'
import { type Exec, ExecError, type ExecOptions, type ExecResult } from './ports.ts'
import { programEnvironment } from './program-environment.ts'

export interface LinuxExec extends Exec {
  /** Programs that are waited for are ended and their callers told; those that were started go on. */
  close(): Promise<void>
}

const defaultTimeoutMs = 30_000
const defaultMaxOutputBytes = 8 * 1024 * 1024

/** What hangs in the kernel holds up nothing but its like: as many as most hosts have GPUs. */
const maxHanging = 8

/** Starts programs from a small process of their own, some at a time, each with a deadline. */
export function createLinuxExec(
  options: { maxConcurrent?: number; maxOutputBytes?: number } = {},
): LinuxExec {
  const { maxConcurrent = 8, maxOutputBytes = defaultMaxOutputBytes } = options
  const queues = {
    usual: new PQueue({ concurrency: maxConcurrent }),
    'device-writes': new PQueue({ concurrency: maxHanging }),
    scrubs: new PQueue({ concurrency: maxHanging }),
  }
  const closing = new AbortController()
  let starter: ExecStarter | undefined
  const ask: ExecStarter['ask'] = (request, signal) => {
    starter ??= createExecStarter(() => {
      starter = undefined
    })
    return starter.ask(request, signal)
  }

  return {
    run: async (file, args, runOptions = {}) => {
      const { stdin = '', timeoutMs = defaultTimeoutMs, signal, queue = 'usual' } = runOptions
      const ending = AbortSignal.any(signal ? [signal, closing.signal] : [closing.signal])
      const reply = await queues[queue].add(async () => {
        ending.throwIfAborted()
        return ask<ExecReply>({ file, args, stdin, timeoutMs, maxOutputBytes }, ending)
      })
      ending.throwIfAborted()
      return resultOf({ file, args, options: runOptions, timeoutMs, reply })
    },
    start: async (file, args, { logPath }) => {
      const { pid, failure } = await ask<StartReply>({ file, args, logPath })
      if (pid !== undefined) return pid
      throw new ExecError({ kind: 'not-found', file, args, how: `could not be started (${failure})` })
    },
    follow: (file, args, { onOutput, onEnd }) => {
      // The kernel ends it with this process: nothing is left of an agent that was killed.
      const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', file, ...args], {
        stdio: ['ignore', 'pipe', 'ignore'],
        env: programEnvironment,
        cwd: '/',
      })
      let isStopped = false
      const end = (how: string) => {
        if (!isStopped) onEnd(how)
        isStopped = true
      }
      child.stdout.on('data', onOutput)
      child.once('error', (error) => end(error.message))
      child.once('exit', (code, signal) => end(signal ?? `exit ${code}`))
      const stop = () => {
        isStopped = true
        child.kill('SIGKILL')
      }
      closing.signal.addEventListener('abort', stop, { once: true })
      return stop
    },
    close: async () => {
      closing.abort(new Error('The agent ends, and with it the programs that it waits for.'))
      await Promise.all(Object.values(queues).map((queue) => queue.onIdle()))
      starter?.end()
    },
  }
}

function resultOf(run: {
  file: string
  args: readonly string[]
  options: ExecOptions
  timeoutMs: number
  reply: ExecReply
}): ExecResult {
  const { file, args, reply, options } = run
  const { stdout, stderr, code } = reply
  if (reply.isMissing)
    throw new ExecError({ kind: 'not-found', file, args, how: 'is not installed on this host' })
  if (reply.isTimeout) {
    throw new ExecError({ kind: 'timeout', file, args, stderr, how: `gave no answer in ${run.timeoutMs} ms` })
  }
  if (reply.isTooMuch) {
    throw new ExecError({ kind: 'signal', file, args, how: 'was ended: it says more than is read' })
  }
  if (code === undefined) {
    const how =
      reply.signal === undefined ? `could not run (${reply.failure})` : `was ended by ${reply.signal}`
    throw new ExecError({ kind: 'signal', file, args, stderr, how })
  }
  if (!(options.okCodes ?? [0]).includes(code)) {
    throw new ExecError({ kind: 'exit', file, args, code, stderr, how: `exited with ${code}` })
  }
  return { code, stdout, stderr }
}

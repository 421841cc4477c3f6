import { spawn } from 'node:child_process'
import { Worker } from 'node:worker_threads'
import PQueue from 'p-queue'
import type { ExecReply, ExecRequest, StartReply, StartRequest } from './linux-exec-worker.ts'
import { ownProgram } from './own-programs.ts'
import { type Exec, ExecError, type ExecOptions, type ExecResult } from './ports.ts'
import { programEnvironment } from './program-environment.ts'

export interface LinuxExec extends Exec {
  /** Programs that are waited for are ended and their callers told; those that were started go on. */
  close(): Promise<void>
}

const defaultTimeoutMs = 30_000
const defaultMaxOutputBytes = 8 * 1024 * 1024

/** Starts programs from a thread of their own, some at a time, each with a deadline. */
export function createLinuxExec(
  options: { maxConcurrent?: number; maxOutputBytes?: number } = {},
): LinuxExec {
  const { maxConcurrent = 8, maxOutputBytes = defaultMaxOutputBytes } = options
  const worker = new Worker(ownProgram('exec-worker'))
  // Programs must not keep an agent alive that has nothing else to do.
  worker.unref()
  const queue = new PQueue({ concurrency: maxConcurrent })
  const waiting = new Map<number, (reply: ExecReply | StartReply) => void>()
  const closing = new AbortController()
  let lastId = 0
  worker.on('message', (reply: ExecReply | StartReply) => {
    waiting.get(reply.id)?.(reply)
    waiting.delete(reply.id)
  })

  const ask = <Reply extends ExecReply | StartReply>(
    request: Omit<ExecRequest, 'id'> | Omit<StartRequest, 'id'>,
    signal?: AbortSignal,
  ) =>
    new Promise<Reply>((resolve) => {
      lastId += 1
      const id = lastId
      const cancel = () => worker.postMessage({ cancel: id })
      worker.ref()
      waiting.set(id, (reply) => {
        signal?.removeEventListener('abort', cancel)
        if (waiting.size === 1) worker.unref()
        resolve(reply as Reply)
      })
      signal?.addEventListener('abort', cancel, { once: true })
      worker.postMessage({ ...request, id })
    })

  return {
    run: async (file, args, runOptions = {}) => {
      const { stdin = '', timeoutMs = defaultTimeoutMs, signal } = runOptions
      const ending = AbortSignal.any(signal ? [signal, closing.signal] : [closing.signal])
      const reply = await queue.add(async () => {
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
      await queue.onIdle()
      await worker.terminate()
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

// The thread that starts programs: spawning one blocks its thread for milliseconds, and the agent's own must not wait.
import { spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { parentPort } from 'node:worker_threads'
import { execa } from 'execa'

export interface ExecRequest {
  readonly id: number
  readonly file: string
  readonly args: readonly string[]
  readonly stdin: string
  readonly timeoutMs: number
}

export interface StartRequest {
  readonly id: number
  readonly file: string
  readonly args: readonly string[]
  readonly logPath: string
}

export interface StartReply {
  readonly id: number
  readonly pid: number | undefined
  readonly failure: string | undefined
}

export type ExecCancel = { readonly cancel: number }

export interface ExecReply {
  readonly id: number
  readonly code: number | undefined
  readonly signal: string | undefined
  readonly isTimeout: boolean
  readonly isMissing: boolean
  readonly isCancelled: boolean
  readonly stdout: string
  readonly stderr: string
  readonly failure: string | undefined
}

const maxOutputBytes = 8 * 1024 * 1024
const env = { LC_ALL: 'C', PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }

function main(): void {
  const port = parentPort
  const running = new Map<number, AbortController>()
  port?.on('message', (message: ExecRequest | StartRequest | ExecCancel) => {
    if ('cancel' in message) {
      running.get(message.cancel)?.abort()
      return
    }
    if ('logPath' in message) {
      void startProgram(message).then((reply) => port.postMessage(reply))
      return
    }
    const abort = new AbortController()
    running.set(message.id, abort)
    void runProgram(message, abort.signal).then((reply) => {
      running.delete(message.id)
      port.postMessage(reply)
    })
  })
}

async function startProgram({ id, file, args, logPath }: StartRequest): Promise<StartReply> {
  const log = await open(logPath, 'a', 0o600)
  try {
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
    await log.close()
  }
}

async function runProgram(request: ExecRequest, signal: AbortSignal): Promise<ExecReply> {
  const result = await execa(request.file, request.args, {
    input: request.stdin,
    timeout: request.timeoutMs,
    cancelSignal: signal,
    killSignal: 'SIGKILL',
    // A program in the middle of its work had better end it than be cut short with the agent.
    cleanup: false,
    maxBuffer: maxOutputBytes,
    env,
    extendEnv: false,
    cwd: '/',
    reject: false,
    stripFinalNewline: false,
  })
  return {
    id: request.id,
    code: result.exitCode,
    signal: result.signal,
    isTimeout: result.timedOut,
    isMissing: result.code === 'ENOENT',
    isCancelled: result.isCanceled,
    stdout: result.stdout,
    stderr: result.stderr,
    failure:
      result.failed && result.exitCode === undefined
        ? (result.originalMessage ?? result.shortMessage)
        : undefined,
  }
}

main()

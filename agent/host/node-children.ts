// The door to programs of our own that run under Node beside this one, connected by IPC, also in a network namespace.
// It starts them and carries messages; what they do is theirs.
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { nodeFlags } from './own-programs.ts'
import { programEnvironment } from './program-environment.ts'

/** A process that can be sent messages, and with each a listening socket. */
export interface NodeChild {
  readonly pid: number | undefined
  /** The sender keeps its own copy of the socket. */
  send(message: object, socket?: ListeningSocket): void
  onMessage(listener: (message: unknown, socket: ListeningSocket | undefined) => void): void
  /** Once; also for a program that could not be started. */
  onEnd(listener: (how: string) => void): void
  kill(): void
}

/**
 * Node's own handle of a listening socket. Unlike a net.Server, which begins to accept wherever it arrives, it can be
 * kept and handed on by a process that never touches a connection.
 */
export interface ListeningSocket {
  close(): void
}

export interface NodeChildren {
  fork(program: URL, args: readonly string[]): NodeChild
  /** The child sees the network of that namespace only. */
  forkInNamespace(namespace: string, program: URL, args: readonly string[]): NodeChild
}

export const nodeChildren: NodeChildren = {
  fork: (program, args) => connect(process.execPath, [...nodeFlags, fileURLToPath(program), ...args]),
  forkInNamespace: (namespace, program, args) =>
    connect('ip', [
      'netns',
      'exec',
      namespace,
      process.execPath,
      ...nodeFlags,
      fileURLToPath(program),
      ...args,
    ]),
}

function connect(file: string, args: readonly string[]): NodeChild {
  const child: ChildProcess = spawn(file, args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    cwd: '/',
    env: programEnvironment,
  })
  // A child that dies while a message is on its way is told by its end, not here.
  child.on('error', () => {})
  return {
    pid: child.pid,
    send: (message, socket) => {
      // The types know only net.Server and net.Socket; the handle itself is what cluster sends.
      if (child.connected) child.send(message, socket as never, () => {})
    },
    onMessage: (listener) => {
      child.on('message', (message, socket) => listener(message, socket as ListeningSocket | undefined))
    },
    onEnd: (listener) => {
      let ended = false
      const end = (how: string) => {
        if (!ended) listener(how)
        ended = true
      }
      child.once('exit', (code, signal) => end(signal ?? `exit ${code}`))
      child.once('error', (error) => end(error.message))
    },
    kill: () => {
      child.kill('SIGKILL')
    },
  }
}

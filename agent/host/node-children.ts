// The door to programs of our own that run under Node beside this one, connected by IPC, also in a network namespace.
// It starts them and carries messages; what they do is theirs.
import { type ChildProcess, spawn } from 'node:child_process'
import { nodeWordsOf, type OwnProgram } from './own-programs.ts'
import { nodeEnvironment } from './program-environment.ts'

/** A process that can be sent messages, and with each a listening socket. */
export interface NodeChild {
  readonly pid: number | undefined
  /** The sender keeps its own copy of the socket. */
  send(message: object, socket?: ListeningSocket): void
  onMessage(listener: (message: unknown, socket: ListeningSocket | undefined) => void): void
  /** Once; also for a program that could not be started. */
  onEnd(listener: (how: string) => void): void
  /** Whether this process goes on for as long as the child does. It does from the start. */
  hold(isHeld: boolean): void
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
  fork(program: OwnProgram, args: readonly string[]): NodeChild
  /** The child sees the network of that namespace only. */
  forkInNamespace(namespace: string, program: OwnProgram, args: readonly string[]): NodeChild
}

export const nodeChildren: NodeChildren = {
  fork: (program, args) => connect(process.execPath, [...nodeWordsOf(program), ...args]),
  forkInNamespace: (namespace, program, args) =>
    connect('ip', ['netns', 'exec', namespace, process.execPath, ...nodeWordsOf(program), ...args]),
}

function connect(file: string, args: readonly string[]): NodeChild {
  const child: ChildProcess = spawn(file, args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    cwd: '/',
    env: nodeEnvironment,
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
    hold: (isHeld) => {
      if (isHeld) child.ref()
      else child.unref()
      if (isHeld) child.channel?.ref()
      else child.channel?.unref()
    },
    kill: () => {
      child.kill('SIGKILL')
    },
  }
}

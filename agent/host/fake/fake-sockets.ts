import type { ByteSocket, LineSocket, OneConnection, Sockets } from '../ports.ts'
import { createBytePair } from './fake-bytes.ts'

/** One end of a connection, as a program of the fake host sees it. */
export interface FakePeer {
  readonly send: (line: string) => void
  readonly close: () => void
}

export interface FakeListener {
  /** A client connected; the result takes its lines. */
  readonly onConnect: (peer: FakePeer) => { onLine: (line: string) => void; onClose: () => void }
}

/** Unix sockets of one host: who listens where, and connections that carry whole lines in order. */
export class FakeSockets implements Sockets {
  readonly #listeners = new Map<string, FakeListener>()
  readonly #open = new Map<string, Set<() => void>>()
  readonly #awaiting = new Map<string, (socket: ByteSocket) => void>()

  listen(path: string, listener: FakeListener): void {
    if (this.#listeners.has(path))
      throw Object.assign(new Error(`EADDRINUSE: ${path}`), { code: 'EADDRINUSE' })
    this.#listeners.set(path, listener)
  }

  /** The listener ends and with it its connections. */
  unlisten(path: string): void {
    this.#listeners.delete(path)
    for (const close of [...(this.#open.get(path) ?? [])]) close()
    this.#open.delete(path)
  }

  paths(): string[] {
    return [...this.#listeners.keys()].sort()
  }

  async connect(path: string): Promise<LineSocket> {
    const listener = this.#listeners.get(path)
    if (!listener) throw Object.assign(new Error(`ECONNREFUSED: ${path}`), { code: 'ECONNREFUSED' })
    return this.#pair(path, listener)
  }

  async listenOnce(path: string): Promise<OneConnection> {
    if (this.#awaiting.has(path))
      throw Object.assign(new Error(`EADDRINUSE: ${path}`), { code: 'EADDRINUSE' })
    const { promise: connection, resolve } = Promise.withResolvers<ByteSocket>()
    this.#awaiting.set(path, resolve)
    return {
      connection,
      close: () => {
        if (this.#awaiting.get(path) === resolve) this.#awaiting.delete(path)
      },
    }
  }

  /** A program of the fake host connects to who waits there; undefined where nobody does. */
  dial(path: string): ByteSocket | undefined {
    const take = this.#awaiting.get(path)
    if (!take) return undefined
    this.#awaiting.delete(path)
    const [here, there] = createBytePair()
    take(here)
    return there
  }

  #pair(path: string, listener: FakeListener): LineSocket {
    const lines: string[] = []
    let deliver: ((line: string) => void) | undefined
    let closed = false
    let onClosed: ((error: Error | undefined) => void) | undefined
    const close = () => {
      if (closed) return
      closed = true
      this.#open.get(path)?.delete(close)
      setImmediate(() => {
        server.onClose()
        onClosed?.(undefined)
      })
    }
    const flush = () => {
      while (deliver && lines.length > 0) deliver(lines.shift() ?? '')
    }
    const server = listener.onConnect({
      send: (line) => {
        if (closed) return
        lines.push(line)
        setImmediate(flush)
      },
      close,
    })
    const open = this.#open.get(path) ?? new Set()
    this.#open.set(path, open.add(close))
    return {
      send: (text) => {
        for (const line of text.split('\n')) {
          if (!closed) setImmediate(() => closed || server.onLine(line))
        }
      },
      onLine: (listen) => {
        deliver = listen
        flush()
      },
      onClose: (listen) => {
        onClosed = listen
      },
      close,
    }
  }
}

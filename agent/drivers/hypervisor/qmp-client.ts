import type { Clock } from '../../../lib/clock.ts'
import type { LineSocket } from '../../host/ports.ts'

export interface QmpEvent {
  readonly event: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface QmpCommand {
  readonly command: string
  readonly args?: Readonly<Record<string, unknown>>
}

/** QEMU refused a command: its class is machine-readable, its words are not. */
export class QmpError extends Error {
  override readonly name = 'QmpError'
  readonly qmpClass: string

  constructor(command: string, error: { class: string; desc: string }) {
    super(`QEMU refused ${command}: ${error.desc}`)
    this.qmpClass = error.class
  }
}

/** QEMU has gone, or did not answer. */
export class QmpLost extends Error {
  override readonly name = 'QmpLost'
}

interface QmpReply {
  readonly id?: number
  readonly return?: unknown
  readonly error?: { readonly class: string; readonly desc: string }
  readonly event?: string
  readonly data?: Readonly<Record<string, unknown>>
}

const defaultTimeoutMs = 10_000

/** One connection to QEMU's monitor. QEMU serves one client at a time. */
export class QmpClient {
  readonly #socket: LineSocket
  readonly #clock: Clock
  readonly #waiting = new Map<number, (reply: QmpReply | undefined) => void>()
  readonly #eventListeners = new Set<(event: QmpEvent) => void>()
  readonly #closeListeners = new Set<() => void>()
  #lastId = 0
  #isClosed = false

  private constructor(socket: LineSocket, clock: Clock) {
    this.#socket = socket
    this.#clock = clock
    socket.onClose(() => this.#closed())
    socket.onLine((line) => this.#take(line))
  }

  /** Takes over a fresh connection and leaves capabilities negotiation behind. */
  static async open(socket: LineSocket, clock: Clock, timeoutMs = defaultTimeoutMs): Promise<QmpClient> {
    const client = new QmpClient(socket, clock)
    try {
      await client.execute('qmp_capabilities', undefined, { timeoutMs })
      return client
    } catch (thrown) {
      // Left open it would be the one client that QEMU serves.
      client.close()
      throw thrown
    }
  }

  /** @throws QmpError if refused, QmpLost if there is no answer. */
  async execute(
    command: string,
    args?: Readonly<Record<string, unknown>>,
    options: { timeoutMs?: number } = {},
  ): Promise<unknown> {
    const { text, reply } = this.#ask({ command, ...(args ? { args } : {}) }, options)
    this.#socket.send(text)
    return reply
  }

  /** Sent in one piece, so that QEMU has the next at hand when it is done with one. Of each what `execute` gives. */
  executeTogether(commands: readonly QmpCommand[]): readonly Promise<unknown>[] {
    const asked = commands.map((one) => this.#ask(one))
    this.#socket.send(asked.map(({ text }) => text).join('\n'))
    return asked.map(({ reply }) => reply)
  }

  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#eventListeners.add(listener)
    return () => this.#eventListeners.delete(listener)
  }

  onClose(listener: () => void): () => void {
    if (this.#isClosed) queueMicrotask(listener)
    this.#closeListeners.add(listener)
    return () => this.#closeListeners.delete(listener)
  }

  close(): void {
    this.#socket.close()
  }

  #ask({ command, args }: QmpCommand, { timeoutMs = defaultTimeoutMs }: { timeoutMs?: number } = {}) {
    this.#lastId += 1
    const id = this.#lastId
    const text = JSON.stringify({ execute: command, id, ...(args ? { arguments: args } : {}) })
    return { text, reply: this.#replyOf(command, id, timeoutMs) }
  }

  async #replyOf(command: string, id: number, timeoutMs: number): Promise<unknown> {
    if (this.#isClosed) throw new QmpLost(`QEMU is gone: ${command} was not sent.`)
    const reply = await new Promise<QmpReply | undefined>((resolve) => {
      const settle = (answer: QmpReply | undefined) => {
        cancel()
        this.#waiting.delete(id)
        resolve(answer)
      }
      const cancel = this.#clock.after(timeoutMs, () => settle(undefined))
      this.#waiting.set(id, settle)
    })
    if (!reply) throw new QmpLost(`QEMU gave no answer to ${command}: it ended, or hangs.`)
    if (reply.error) throw new QmpError(command, reply.error)
    return reply.return
  }

  #take(line: string): void {
    const reply = parseReply(line)
    if (!reply) return
    const { event, data = {} } = reply
    if (event !== undefined) {
      for (const listener of [...this.#eventListeners]) listener({ event, data })
      return
    }
    if (reply.id !== undefined) this.#waiting.get(reply.id)?.(reply)
  }

  #closed(): void {
    this.#isClosed = true
    for (const settle of [...this.#waiting.values()]) settle(undefined)
    for (const listener of [...this.#closeListeners]) listener()
  }
}

/** undefined for what is no message: QEMU is run by a guest's user and is not believed to be well-behaved. */
function parseReply(line: string): QmpReply | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

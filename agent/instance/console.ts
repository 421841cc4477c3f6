import type { Console, ConsoleOutcome, ConsolePart } from '../stream/ports.ts'
import type { InstanceActor } from './actor.ts'
import type { SerialConnection } from './serial-connection.ts'
import type { SerialRecorder } from './serial-recorder.ts'

interface ConsoleOptions {
  readonly recorder: SerialRecorder
  readonly connection: SerialConnection
  readonly actor: InstanceActor
}

/** A console on the guest that runs: what is recorded from `start` on, then what comes, each byte once. */
export async function openConsole(
  recorder: SerialRecorder,
  { actor, start }: { actor: InstanceActor; start: bigint },
): Promise<ConsoleOutcome> {
  const connection = await recorder.connect(actor)
  if (!connection) {
    return { kind: 'unavailable', reason: 'NOT_RUNNING', message: 'its guest does not run' }
  }
  return { kind: 'console', console: new RecordedConsole({ recorder, connection, actor, start }) }
}

/** Reads what is recorded, so that a reader of any slowness holds up nobody, and misses what the ring has dropped. */
class RecordedConsole implements Console {
  readonly #options: ConsoleOptions
  readonly #closed = Promise.withResolvers<void>()
  #isClosed = false
  #next: bigint

  constructor({ start, ...options }: ConsoleOptions & { readonly start: bigint }) {
    this.#options = options
    this.#next = start
  }

  async read(limitBytes: number): Promise<ConsolePart> {
    const { recorder, connection, actor } = this.#options
    for (;;) {
      // Taken before what is there is read: nothing comes unseen in between.
      const { news, isOver } = connection
      const { start, next, bytes } = await recorder.ringOf(actor.record.uid).read(this.#next, limitBytes)
      this.#next = next
      if (bytes.length > 0) return { kind: 'output', start, bytes }
      if (isOver || this.#isClosed)
        return { kind: 'ended', reason: 'STOPPED', message: 'The guest has stopped.' }
      await Promise.race([news, this.#closed.promise])
    }
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#options.connection.write(bytes)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#closed.resolve()
    const { recorder, actor, connection } = this.#options
    await recorder.release(actor, connection)
  }
}

// A console that outlives its connections: one that breaks off is made again, from the byte where it stopped. In: a way to
// connect. Out: the console as if it were one connection, with a sentence for each break, until the guest or the server ends
// it for good, or the patience is over.
import { backoffMs } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { CliError, exitCodes } from '../exit-codes.ts'
import { ApiError } from './api-error.ts'
import type { ConsoleConnection, ConsoleEnd, ConsoleListeners } from './console.ts'

/** Longer than a scheduler or an agent takes to be upgraded, and than the server itself looks for a host. */
const patienceMs = 180_000
const minBackoffMs = 200
const maxBackoffMs = 3000

/** Of RFC 6455: the server goes away, or nobody has said anything. */
const breaks = [1001, 1006, 1012]
/** The server or what is before it, while it comes back. */
const passing = [429, 502, 503, 504]

export interface LastingOptions {
  readonly connect: (start: bigint, listeners: ConsoleListeners) => Promise<ConsoleConnection>
  readonly clock: Clock
  readonly random: Random
}

export interface LastingListeners extends Omit<ConsoleListeners, 'onClose'> {
  /** What it could not be made again for, as an error. */
  readonly onClose: (end: ConsoleEnd | CliError) => void
}

/** @throws as `connect` does, the first time. */
export async function connectLastingConsole(
  { connect, clock, random }: LastingOptions,
  { onBytes, onNote, onClose }: LastingListeners,
): Promise<ConsoleConnection> {
  let next = 0n
  let live: ConsoleConnection | undefined
  /** Typed while there is no connection. */
  let unsent: Uint8Array[] = []
  let isPaused = false
  const closing = new AbortController()
  const isClosed = () => closing.signal.aborted

  const open = async () => {
    const connection = await connect(next, {
      onBytes: (bytes, after) => {
        next = after
        onBytes(bytes, after)
      },
      onNote,
      onClose: (end) => {
        live = undefined
        if (isClosed()) return
        if (breaks.includes(end.code)) void goOn()
        else onClose(end)
      },
    })
    if (isClosed()) {
      connection.close()
      return
    }
    live = connection
    if (isPaused) connection.pause()
    for (const bytes of unsent) connection.send(bytes)
    unsent = []
  }

  const goOn = async () => {
    onNote('Contact with the server is interrupted; the console goes on by itself.')
    const untilMs = clock.monotonicMs() + patienceMs
    for (let attempt = 0; ; attempt += 1) {
      const waitMs = backoffMs({ attempt, minMs: minBackoffMs, maxMs: maxBackoffMs, random })
      await clock.sleep(waitMs, closing.signal).catch(() => {})
      if (isClosed()) return
      try {
        await open()
        if (!isClosed()) onNote('The console goes on.')
        return
      } catch (thrown) {
        const error = thrown instanceof CliError ? thrown : unexpected(thrown)
        if (isClosed()) return
        if (isFinal(error)) return onClose(error)
        if (clock.monotonicMs() >= untilMs) return onClose(gaveUp(error))
      }
    }
  }

  await open()
  return {
    send: (bytes) => {
      if (live) live.send(bytes)
      else unsent.push(bytes)
    },
    get unsentBytes() {
      return live ? live.unsentBytes : unsent.reduce((sum, { length }) => sum + length, 0)
    },
    pause: () => {
      isPaused = true
      live?.pause()
    },
    resume: () => {
      isPaused = false
      live?.resume()
    },
    close: () => {
      closing.abort()
      live?.close()
    },
  }
}

/** A server that does not answer may be back soon; one that refuses means it. */
const isFinal = (error: CliError) =>
  error instanceof ApiError ? !passing.includes(error.status) : error.exitCode !== exitCodes.trouble

const gaveUp = (last: CliError) =>
  new CliError(`The console could not be opened again in ${patienceMs / 60_000} minutes: ${last.message}`, {
    exitCode: exitCodes.trouble,
    cause: last,
  })

const unexpected = (thrown: unknown) =>
  new CliError(`The console could not be opened again: ${String(thrown)}`, {
    exitCode: exitCodes.trouble,
    cause: thrown,
  })

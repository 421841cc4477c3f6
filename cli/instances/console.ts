// `berth instances console`: a terminal, or a pair of pipes, on a guest's serial port. In: keys. Out: what the guest
// writes, on standard output, and all else on standard error. The terminal is given back as it was, however it ends.
import type { ReadStream } from 'node:tty'
import type { ConsoleConnection, ConsoleEnd } from '../client/console.ts'
import type { LastingListeners } from '../client/lasting-console.ts'
import { CliError, exitCodes } from '../exit-codes.ts'
import { createEscapeKeys } from './escape-keys.ts'

export interface ConsoleTerminal {
  readonly input: NodeJS.ReadableStream & Partial<Pick<ReadStream, 'isTTY' | 'setRawMode'>>
  readonly output: NodeJS.WritableStream
  /** For what is not the guest's own text. */
  readonly note: (line: string) => void
  /** Interruption from outside. */
  readonly signal: AbortSignal
}

/** More than a person types; a pipe waits. */
const maximumUnsentBytes = 64 * 1024
const drainPollMs = 20

/** Until the person, the guest or the server ends it. @throws CliError where it is not as it should be */
export async function runConsole(
  id: string,
  connect: (listeners: LastingListeners) => Promise<ConsoleConnection>,
  { input, output, note, signal }: ConsoleTerminal,
): Promise<void> {
  const ended = Promise.withResolvers<ConsoleEnd | CliError | 'by-person' | 'interrupted'>()
  let connection: ConsoleConnection | undefined
  // A raw terminal goes down and not back at the end of a line.
  const isTerminal = input.isTTY === true
  const say = (sentence: string) => note(isTerminal ? `\r\n[${sentence}]\r` : sentence)
  connection = await connect({
    onBytes: (bytes) => {
      if (output.write(bytes)) return
      connection?.pause()
      output.once('drain', () => connection?.resume())
    },
    onNote: say,
    onClose: ended.resolve,
  })
  const interrupt = () => ended.resolve('interrupted')
  signal.addEventListener('abort', interrupt)
  if (signal.aborted) interrupt()
  const readKeys = createEscapeKeys()
  const onInput = (typed: Uint8Array) => {
    const { bytes, isEnd } = isTerminal ? readKeys(typed) : { bytes: typed, isEnd: false }
    if (bytes.length > 0) connection.send(bytes)
    if (isEnd) ended.resolve('by-person')
    if (connection.unsentBytes > maximumUnsentBytes) void waitForRoom(input, connection)
  }
  if (isTerminal) {
    say(`Console of ${id}. Ctrl-] and then a dot ends it; Ctrl-] twice sends one.`)
    input.setRawMode?.(true)
  }
  input.on('data', onInput)
  try {
    const end = await ended.promise
    if (end === 'by-person') return
    if (end === 'interrupted') throw new CliError('Interrupted.', { exitCode: exitCodes.interrupted })
    if (end instanceof CliError) throw end
    if (end.code === 1000) say(end.reason)
    else throw new CliError(sentenceOf(end), { exitCode: exitCodeOf(end.code) })
  } finally {
    input.off('data', onInput)
    input.setRawMode?.(false)
    input.pause()
    signal.removeEventListener('abort', interrupt)
    connection.close()
    if (isTerminal) note('')
  }
}

async function waitForRoom(input: NodeJS.ReadableStream, connection: ConsoleConnection): Promise<void> {
  input.pause()
  while (connection.unsentBytes > maximumUnsentBytes / 2) {
    await new Promise((resolve) => setTimeout(resolve, drainPollMs))
  }
  input.resume()
}

const sentenceOf = ({ code, reason }: ConsoleEnd) =>
  reason === '' ? `The connection to the server broke (code ${code}).` : reason

const exitCodeOf = (code: number) => (code === 1008 ? exitCodes.denied : exitCodes.trouble)

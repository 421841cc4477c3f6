import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import type { LastingListeners } from '../../../cli/client/lasting-console.ts'
import { CliError } from '../../../cli/exit-codes.ts'
import { runConsole } from '../../../cli/instances/console.ts'
import { createEscapeKeys } from '../../../cli/instances/escape-keys.ts'

const typed = (keys: ReturnType<typeof createEscapeKeys>, text: string) => {
  const { bytes, isEnd } = keys(Buffer.from(text))
  return [Buffer.from(bytes).toString(), isEnd]
}

it('takes Ctrl-] and a dot as the end, however they come, and nothing else out', () => {
  const keys = createEscapeKeys()
  expect(typed(keys, 'ls\r')).toEqual(['ls\r', false])
  expect(typed(keys, 'a\u001d')).toEqual(['a', false])
  expect(typed(keys, '\u001db')).toEqual(['\u001db', false])
  expect(typed(keys, '\u001dx')).toEqual(['\u001dx', false])
  expect(typed(keys, 'y\u001d.z')).toEqual(['y', true])
})

/** A terminal or pipes, and a server that is the test. */
function start({ isTTY }: { isTTY: boolean }) {
  const modes: boolean[] = []
  const input = Object.assign(new PassThrough(), { isTTY, setRawMode: (mode: boolean) => modes.push(mode) })
  const output = new PassThrough()
  const notes: string[] = []
  const sent: string[] = []
  const interruption = new AbortController()
  const { promise: listening, resolve } = Promise.withResolvers<LastingListeners>()
  const done = runConsole(
    'one',
    async (listeners) => {
      resolve(listeners)
      return {
        send: (bytes) => void sent.push(Buffer.from(bytes).toString()),
        ...{ unsentBytes: 0, pause: () => {}, resume: () => {}, close: () => {} },
      }
    },
    {
      ...{ input: input as never, output, note: (line) => notes.push(line), signal: interruption.signal },
    },
  )
  return { input, output, modes, notes, sent, interruption, listening, done }
}

it('is a raw terminal that says how it ends, and gives it back', async () => {
  const { input, output, modes, notes, sent, listening, done } = start({ isTTY: true })
  const { onBytes } = await listening
  onBytes(Buffer.from('login: '), 7n)
  await expect.poll(() => modes).toEqual([true])
  expect(notes.join()).toContain('Ctrl-] and then a dot ends it')
  input.write('root\r\u001d.')
  await done
  expect(sent).toEqual(['root\r'])
  expect(String(output.read())).toBe('login: ')
  expect(modes).toEqual([true, false])
})

it('passes on every byte between pipes, and ends with the guest', async () => {
  const { input, notes, sent, listening, done } = start({ isTTY: false })
  const { onClose } = await listening
  input.write('\u001d.\n')
  await expect.poll(() => sent).toEqual(['\u001d.\n'])
  onClose({ code: 1000, reason: 'The guest has stopped.' })
  await done
  expect(notes).toEqual(['The guest has stopped.'])
})

it.each([
  [1006, 1],
  [1008, 3],
  [1013, 1],
])('ends with what the server says: close code %i, exit code %i', async (code, exitCode) => {
  const { listening, done, modes } = start({ isTTY: true })
  const { onClose } = await listening
  await expect.poll(() => modes).toEqual([true])
  onClose({ code, reason: '' })
  await expect(done).rejects.toMatchObject({ exitCode })
  expect(modes).toEqual([true, false])
})

it('ends with why it could not be opened again', async () => {
  const { listening, done, modes } = start({ isTTY: true })
  const { onClose } = await listening
  await expect.poll(() => modes).toEqual([true])
  onClose(new CliError('one is gone.', { exitCode: 4 }))
  await expect(done).rejects.toMatchObject({ exitCode: 4, message: 'one is gone.' })
  expect(modes).toEqual([true, false])
})

it('is interrupted from outside, and gives the terminal back', async () => {
  const { interruption, modes, done } = start({ isTTY: true })
  await expect.poll(() => modes).toEqual([true])
  interruption.abort()
  await expect(done).rejects.toBeInstanceOf(CliError)
  expect(modes).toEqual([true, false])
})

import { beforeEach, expect, it } from 'vitest'
import { ApiError } from '../../../cli/client/api-error.ts'
import type { ConsoleListeners } from '../../../cli/client/console.ts'
import { connectLastingConsole } from '../../../cli/client/lasting-console.ts'
import { CliError } from '../../../cli/exit-codes.ts'
import { systemRandom } from '../../../lib/random.ts'
import { createEagerClock, until } from '../../agent/instance/eager-clock.ts'

interface Server {
  /** Of the connection that there is; undefined while there is none. */
  listeners: ConsoleListeners | undefined
  /** What the next attempts meet; after them they succeed. */
  readonly refusals: Error[]
  refusesAlways: Error | undefined
  readonly starts: bigint[]
  readonly typed: string[]
  paused: boolean
  closed: number
}

let server: Server
let seen: { text: string; notes: string[]; ends: unknown[] }

beforeEach(() => {
  server = {
    ...{ listeners: undefined, refusals: [], refusesAlways: undefined, starts: [], typed: [] },
    ...{ paused: false, closed: 0 },
  }
  seen = { text: '', notes: [], ends: [] }
})

const connectConsole = () =>
  connectLastingConsole(
    {
      connect: async (start, listeners) => {
        server.starts.push(start)
        const refusal = server.refusals.shift() ?? server.refusesAlways
        if (refusal) throw refusal
        Object.assign(server, { listeners, paused: false })
        return {
          send: (bytes) => void server.typed.push(Buffer.from(bytes).toString()),
          unsentBytes: 7,
          pause: () => {
            server.paused = true
          },
          resume: () => {
            server.paused = false
          },
          close: () => {
            server.closed += 1
          },
        }
      },
      clock: createEagerClock(),
      random: systemRandom,
    },
    {
      onBytes: (bytes) => {
        seen.text += Buffer.from(bytes).toString()
      },
      onNote: (note) => seen.notes.push(note),
      onClose: (end) => seen.ends.push(end),
    },
  )

/** What the guest writes comes. */
const write = (text: string, start: number) =>
  server.listeners?.onBytes(Buffer.from(text), BigInt(start + text.length))

const breakOff = (code: number, reason = '') => {
  const { listeners } = server
  server.listeners = undefined
  listeners?.onClose({ code, reason })
}
const isBack = () => until(() => server.listeners !== undefined, 'it is connected again')

const unreachable = new CliError('The server does not answer.', { exitCode: 1 })
const refusedWith = (status: number) => new ApiError({ status, message: `Refused: ${status}.`, details: [] })

it('is made again from where it broke off, however often, with a sentence for each break and each return', async () => {
  await connectConsole()
  write('one ', 96)
  server.refusals.push(unreachable, refusedWith(503), refusedWith(502))
  breakOff(1006)
  await isBack()
  write('two', 100)
  breakOff(1001, 'The scheduler is closing. Connect again.')
  await isBack()
  await until(() => seen.notes.length === 4, 'all is said')
  expect(server.starts).toEqual([0n, 100n, 100n, 100n, 100n, 103n])
  expect(seen).toEqual({
    text: 'one two',
    notes: [
      'Contact with the server is interrupted; the console goes on by itself.',
      'The console goes on.',
      'Contact with the server is interrupted; the console goes on by itself.',
      'The console goes on.',
    ],
    ends: [],
  })
})

it('keeps what is typed meanwhile, and whether its reader has had enough', async () => {
  const console = await connectConsole()
  console.pause()
  breakOff(1006)
  console.send(Buffer.from('ls'))
  console.send(Buffer.from('\r'))
  expect(console.unsentBytes).toBe(3)
  await isBack()
  await until(() => server.typed.length === 2, 'it is typed')
  expect([server.typed, server.paused, console.unsentBytes]).toEqual([['ls', '\r'], true, 7])
  console.resume()
  expect(server.paused).toBe(false)
})

it.each([1000, 1008, 1011, 1013])('ends where the server says so: close code %i', async (code) => {
  await connectConsole()
  breakOff(code, 'So be it.')
  expect(seen.ends).toEqual([{ code, reason: 'So be it.' }])
  expect(server.starts).toHaveLength(1)
})

it.each([401, 404, 409])('ends where the server refuses to open it again: status %i', async (status) => {
  await connectConsole()
  server.refusesAlways = refusedWith(status)
  breakOff(1006)
  await until(() => seen.ends.length === 1, 'it has ended')
  expect(seen.ends).toEqual([server.refusesAlways])
  expect(server.starts).toHaveLength(2)
})

it('gives up after three minutes', async () => {
  await connectConsole()
  server.refusesAlways = unreachable
  breakOff(1006)
  await until(() => seen.ends.length === 1, 'it has ended')
  expect(seen.ends).toMatchObject([
    { exitCode: 1, message: expect.stringMatching(/in 3 minutes: The server does not answer/) },
  ])
})

it('is not made again once it was closed', async () => {
  const console = await connectConsole()
  breakOff(1006)
  console.close()
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate)
  expect([server.starts.length, seen.ends, server.closed]).toEqual([1, [], 0])
})

it('is refused at first as any other', async () => {
  server.refusesAlways = refusedWith(503)
  await expect(connectConsole()).rejects.toMatchObject({ status: 503 })
  expect(server.starts).toHaveLength(1)
})

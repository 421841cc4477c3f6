import { afterEach, expect, it } from 'vitest'
import { startSession } from '../../../agent/stream/client.ts'
import type { Console, ConsolePart } from '../../../agent/stream/ports.ts'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { systemRandom } from '../../../lib/random.ts'
import { hostId, instanceUid } from '../../../proto/ids.ts'
import type { ConsoleChannelEnd } from '../../../scheduler/operations/ports.ts'
import { createFakeSide, type FakeSide } from '../../agent/stream/fake-side.ts'
import { eventually } from './eventually.ts'
import { type StreamRegion, startStreamRegion, token } from './region.ts'

const closes: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closes.splice(0).reverse()) await close()
})

async function connect(fake: FakeSide) {
  const region = await startStreamRegion({ queryTimeoutMs: 500 })
  closes.push(() => region.close())
  const session = startSession({
    ...{ address: region.agents.address, token, side: fake.side },
    ...{ clock: systemClock, random: systemRandom, log: silentLogger },
    ...{ minBackoffMs: 20, maxBackoffMs: 200 },
  })
  closes.push(() => session.close())
  await eventually('the agent is ready', () => session.state().kind === 'ready')
  return { region, session }
}

/** A guest whose parts are given by hand. */
function createConsole() {
  const parts: ConsolePart[] = []
  let news = Promise.withResolvers<void>()
  const seen = { typed: '', isClosed: false, mayType: Promise.resolve() }
  const console: Console = {
    read: async () => {
      for (;;) {
        const part = parts.shift()
        if (part) return part
        await news.promise
      }
    },
    write: async (bytes) => {
      await seen.mayType
      seen.typed += Buffer.from(bytes).toString()
    },
    close: async () => {
      seen.isClosed = true
    },
  }
  const give = (part: ConsolePart) => {
    parts.push(part)
    news.resolve()
    news = Promise.withResolvers()
  }
  return { console, seen, give }
}

function open(region: StreamRegion) {
  const got = { bytes: [] as [bigint, string][], ends: [] as ConsoleChannelEnd[] }
  const opening = region.agents.queries.openConsole(
    {
      hostId: hostId('host-1'),
      instanceUid: instanceUid('0192f0c1-2222-7000-8000-000000000001'),
      start: -9n,
    },
    {
      onOutput: (start, bytes) => void got.bytes.push([start, Buffer.from(bytes).toString()]),
      onEnd: (end) => void got.ends.push(end),
    },
  )
  return { got, opening }
}

async function openLive(region: StreamRegion) {
  const { got, opening } = open(region)
  const channel = await opening
  if (channel.kind !== 'console') throw new Error(channel.message)
  return { got, channel }
}

it('a console carries bytes both ways until the guest stops', async () => {
  const fake = createFakeSide('host-1')
  const { console, seen, give } = createConsole()
  fake.answers.console = { kind: 'console', console }
  const { region } = await connect(fake)
  const { got, channel } = await openLive(region)
  give({ kind: 'output', start: 5n, bytes: Buffer.from('login: ') })
  await channel.write(Buffer.from('root'))
  await eventually('both have come', () => seen.typed === 'root' && got.bytes.length === 1)
  expect(got.bytes).toEqual([[5n, 'login: ']])
  give({ kind: 'ended', reason: 'STOPPED', message: 'The guest has stopped.' })
  await eventually('it is over', () => seen.isClosed)
  expect(got.ends).toEqual([{ kind: 'ended', reason: 'STOPPED', message: 'The guest has stopped.' }])
})

it('a console that is closed is closed on the host, and nothing is told of it', async () => {
  const fake = createFakeSide('host-1')
  const { console, seen } = createConsole()
  fake.answers.console = { kind: 'console', console }
  const { region } = await connect(fake)
  const { got, channel } = await openLive(region)
  channel.close()
  await eventually('it is closed', () => seen.isClosed)
  expect(got.ends).toEqual([])
})

it('a console is closed though the guest reads nothing, and waits for it before', async () => {
  const fake = createFakeSide('host-1')
  const { console, seen } = createConsole()
  seen.mayType = new Promise(() => {})
  fake.answers.console = { kind: 'console', console }
  const { region } = await connect(fake)
  const { channel } = await openLive(region)
  let hasWaited = true
  const typing = (async () => {
    for (let round = 0; round < 100; round += 1) await channel.write(Buffer.alloc(64 * 1024))
    hasWaited = false
  })()
  await systemClock.sleep(100)
  expect(hasWaited).toBe(true)
  channel.close()
  await eventually('it is closed', () => seen.isClosed)
  await typing
})

it('a console is lost with its session, on both sides', async () => {
  const fake = createFakeSide('host-1')
  const { console, seen } = createConsole()
  fake.answers.console = { kind: 'console', console }
  const { region, session } = await connect(fake)
  const { got } = await openLive(region)
  await session.close()
  await eventually('it is lost', () => got.ends.length > 0 && seen.isClosed)
  expect(got.ends).toEqual([{ kind: 'lost' }])
  expect(await open(region).opening).toMatchObject({ kind: 'unavailable', reason: 'NOT_CONNECTED' })
})

it('a console that can not be opened has the reason of the host', async () => {
  const fake = createFakeSide('host-1')
  const { region } = await connect(fake)
  expect(await open(region).opening).toMatchObject({ kind: 'unavailable', reason: 'NOT_RUNNING' })
  fake.side.openConsole = () => new Promise(() => {})
  expect(await open(region).opening).toMatchObject({ kind: 'unavailable', reason: 'TIMEOUT' })
})

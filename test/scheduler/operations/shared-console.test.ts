import { expect, it } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { systemRandom } from '../../../lib/random.ts'
import { hostId, instanceUid } from '../../../proto/ids.ts'
import type { ConsoleListener, Unavailable } from '../../../scheduler/operations/ports.ts'
import { type ConsoleEnd, historyBytes, SharedConsole } from '../../../scheduler/operations/shared-console.ts'

/** A host that is what the test says; every opening is noted. */
function startConsole() {
  const starts: bigint[] = []
  const host: { listener: ConsoleListener | undefined; refuses: Unavailable | undefined; closed: number } = {
    ...{ listener: undefined, refuses: undefined, closed: 0 },
  }
  let isOver = false
  const console = new SharedConsole({
    instance: { uid: instanceUid('0192f0c1-2222-7000-8000-000000000001'), hostId: hostId('host-1') },
    queries: {
      openConsole: async ({ start }, listener) => {
        starts.push(start)
        if (host.refuses) return host.refuses
        host.listener = listener
        const close = () => {
          host.closed += 1
        }
        return { kind: 'console', write: async () => {}, close }
      },
    },
    // Waits take no time.
    clock: { ...systemClock, sleep: async () => {} },
    random: systemRandom,
    onOver: () => {
      isOver = true
    },
  })
  return { console, starts, host, isOver: () => isOver }
}

function viewer() {
  const seen = { bytes: 0, text: '', notes: [] as string[], ends: [] as ConsoleEnd[] }
  return {
    seen,
    show: (bytes: Uint8Array) => {
      seen.bytes += bytes.length
      seen.text += Buffer.from(bytes).toString('latin1')
    },
    note: (sentence: string) => void seen.notes.push(sentence),
    end: (end: ConsoleEnd) => void seen.ends.push(end),
  }
}

it('asks for the last of what there is, and keeps as much for who comes later', async () => {
  const { console, starts, host } = startConsole()
  expect(await console.open()).toBeUndefined()
  expect(starts).toEqual([BigInt(-historyBytes)])
  const early = viewer()
  console.add(early)
  for (let at = 0; at < 10 * historyBytes; at += 1000) {
    host.listener?.onOutput(BigInt(at), Buffer.alloc(1000, 97 + ((at / 1000) % 26)))
  }
  const late = viewer()
  console.add(late)
  expect(late.seen.bytes).toBe(historyBytes)
  expect(early.seen.text.endsWith(late.seen.text)).toBe(true)
})

it('goes on from where a lost contact broke off, and says what was left out', async () => {
  const { console, starts, host } = startConsole()
  await console.open()
  const one = viewer()
  console.add(one)
  host.listener?.onOutput(100n, Buffer.from('before'))
  host.listener?.onEnd({ kind: 'lost' })
  await expect.poll(() => one.seen.notes.length).toBe(2)
  expect(starts[1]).toBe(106n)
  host.listener?.onOutput(110n, Buffer.from('after'))
  expect(one.seen.text).toBe('beforeafter')
  expect(one.seen.notes[2]).toMatch(/^4 bytes/)
})

it('shows who comes later where what is kept begins, and nothing from before a gap', async () => {
  const { console, host } = startConsole()
  await console.open()
  const look = () => {
    const starts: [bigint, string][] = []
    const one = viewer()
    console.add({ ...one, show: (bytes, start) => starts.push([start, Buffer.from(bytes).toString()]) })
    return starts
  }
  host.listener?.onOutput(100n, Buffer.from('one'))
  host.listener?.onOutput(103n, Buffer.from('two'))
  expect(look()).toEqual([[100n, 'onetwo']])
  host.listener?.onOutput(200n, Buffer.from('three'))
  expect(look()).toEqual([[200n, 'three']])
})

it('ends for all when the guest has stopped, also while the host was away', async () => {
  const { console, host, isOver } = startConsole()
  await console.open()
  const one = viewer()
  console.add(one)
  host.refuses = { kind: 'unavailable', reason: 'NOT_RUNNING', message: 'It does not run.' }
  host.listener?.onEnd({ kind: 'lost' })
  await expect.poll(() => one.seen.ends).toEqual([{ kind: 'ended', message: 'The guest has stopped.' }])
  expect(isOver()).toBe(true)
  const late = viewer()
  console.add(late)
  expect(late.seen.ends).toEqual(one.seen.ends)
})

it('is closed with the last who looks', async () => {
  const { console, host, isOver } = startConsole()
  await console.open()
  const [one, other] = [viewer(), viewer()]
  for (const each of [one, other]) console.add(each)
  console.remove(one)
  expect([host.closed, isOver()]).toEqual([0, false])
  console.remove(other)
  console.remove(other)
  expect([host.closed, isOver()]).toEqual([1, true])
})

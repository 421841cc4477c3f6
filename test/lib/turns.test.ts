import { describe, expect, it } from 'vitest'
import { createTurns, passing } from '../../lib/turns.ts'

/** Work that ends when it is told to. */
function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open: () => open() }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('createTurns', () => {
  it('lets work on one key wait, and on another not', async () => {
    const turns = createTurns()
    const first = gate()
    const done: string[] = []
    const runs = [
      turns.alone('a', () => first.opened.then(() => void done.push('first of a'))),
      turns.alone('a', async () => void done.push('second of a')),
      turns.alone('b', async () => void done.push('b')),
    ]
    await settle()
    expect(done).toEqual(['b'])
    first.open()
    await Promise.all(runs)
    expect(done).toEqual(['b', 'first of a', 'second of a'])
  })

  it('goes on after work that failed, and tells its caller alone', async () => {
    const turns = createTurns()
    const failed = turns.alone('a', () => Promise.reject(new Error('no')))
    const next = turns.alone('a', async () => 'yes')
    await expect(failed).rejects.toThrow('no')
    expect(await next).toBe('yes')
  })

  it('runs shared work once for all who come meanwhile', async () => {
    const turns = createTurns()
    const held = gate()
    let runs = 0
    const work = async () => {
      runs += 1
      await held.opened
    }
    const all = [turns.shared('a', work), turns.shared('a', work), turns.shared('b', work)]
    await settle()
    held.open()
    await Promise.all(all)
    expect(runs).toBe(2)
    await turns.shared('a', work)
    expect(runs).toBe(3)
  })

  it('runs shared work again after something else has been asked for in between', async () => {
    const turns = createTurns()
    const done: string[] = []
    await Promise.all([
      turns.shared('a', async () => void done.push('ensure')),
      turns.alone('a', async () => void done.push('remove')),
      turns.shared('a', async () => void done.push('ensure')),
    ])
    expect(done).toEqual(['ensure', 'remove', 'ensure'])
  })
})

describe('passing', () => {
  it('is there until it is taken, once', () => {
    const value = { of: 'much' }
    const passed = passing(value)

    expect(passed.peek()).toBe(value)
    expect(passed.take()).toBe(value)
    expect(passed.peek()).toBeUndefined()
    expect(passed.take()).toBeUndefined()
  })
})

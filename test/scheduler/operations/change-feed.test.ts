import { describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '../../../lib/clock.ts'
import { instanceUid, projectId } from '../../../proto/ids.ts'
import { createChangeFeed } from '../../../scheduler/operations/change-feed.ts'

/** A feed over as many changes as were written, on a clock that only goes when somebody sleeps or a test says so. */
function fedBy() {
  let written = 0
  let nowMs = 0
  const sleptMs: number[] = []
  const listeners = new Set<() => void>()
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => nowMs,
    sleep: async (durationMs) => {
      sleptMs.push(durationMs)
      nowMs += durationMs
    },
    every: () => () => {},
  }
  const changeAt = (change: number) => ({
    ...{ kind: 'deleted' as const, change, project: projectId('project-x9y8z7') },
    ...{ uid: instanceUid(`uid-${change}`), id: `instance-${change}`, networks: [] },
  })
  const feed = createChangeFeed({
    clock,
    store: {
      readChangePosition: async () => 0,
      readChangesAfter: async ({ after, limit }) => {
        const through = Math.min(written, after + limit)
        const changes = Array.from({ length: through - after }, (_, index) => changeAt(after + index + 1))
        return { kind: 'changes', changes, through }
      },
      onWrite: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
  })
  return {
    feed,
    sleptMs,
    pass: (ms: number) => {
      nowMs += ms
    },
    write: (changes: number) => {
      written += changes
      for (const listener of listeners) listener()
    },
  }
}

const { signal } = new AbortController()
/** What was promised before has been done, but for what waits. */
const settled = () => new Promise(setImmediate)

describe('the change feed', () => {
  it('lets changes gather the longer the more watch, and tells them all to everybody', async () => {
    for (const [watchers, gatherMs] of [
      [100, 100],
      [400, 400],
      [5000, 1000],
    ] as const) {
      const { feed, sleptMs, pass, write } = fedBy()
      const told = Array.from({ length: watchers }, () => feed.next(0, signal))
      await settled()
      pass(10)
      write(3)
      const outcomes = new Set(await Promise.all(told))
      expect(sleptMs).toEqual([gatherMs - 10])
      expect([...outcomes]).toEqual([expect.objectContaining({ through: 3 })])
    }
  })

  it('tells at once what comes after a quiet time', async () => {
    const { feed, sleptMs, pass, write } = fedBy()
    const told = Array.from({ length: 1000 }, () => feed.next(0, signal))
    await settled()
    pass(5000)
    write(1)
    await Promise.all(told)
    expect(sleptMs).toEqual([])
  })

  it('waits for nothing where there is more than it reads at a time', async () => {
    const { feed, sleptMs, pass, write } = fedBy()
    const told = Array.from({ length: 1000 }, () => feed.next(0, signal))
    await settled()
    pass(5000)
    write(1200)
    expect(await told[0]).toMatchObject({ through: 500 })
    expect(await feed.next(500, signal)).toMatchObject({ through: 1000 })
    expect(await feed.next(1000, signal)).toMatchObject({ through: 1200 })
    expect(sleptMs).toEqual([])
  })

  it('lets go of who stops waiting', async () => {
    const { feed } = fedBy()
    const stopped = new AbortController()
    const told = feed.next(0, stopped.signal)
    await settled()
    stopped.abort(new Error('enough'))
    await expect(told).rejects.toThrow('enough')
  })
})

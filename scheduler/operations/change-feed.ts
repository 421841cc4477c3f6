// What changes in instances, read from the store once for everybody who watches. In: the store's changes. Out: those after a
// position, now or as soon as there are some. It holds a window of the newest in memory; who is further behind reads the
// store.
import type { Clock } from '../../lib/clock.ts'
import type { InstanceChange, ReadChangesOutcome, Store } from '../store/store.ts'

export interface ChangeFeed {
  /** Changes after the position: at once where there are some, else when there are. @throws when the signal says so */
  next(after: number, signal: AbortSignal): Promise<ReadChangesOutcome>
  close(): void
}

const windowSize = 5000
const readLimit = 500
/** Behind nudges: another process may write too. */
const pollIntervalMs = 1000

export function createChangeFeed({
  store,
  clock,
}: {
  store: Pick<Store, 'readChangesAfter' | 'readChangePosition' | 'onWrite'>
  clock: Clock
}): ChangeFeed {
  let changes: InstanceChange[] = []
  /** All changes after `from` and through `through` are in the window. */
  let span: { from: number; through: number } | undefined
  let isStale = true
  let reading: Promise<void> | undefined
  const waiting = new Set<() => void>()

  const markStale = () => {
    isStale = true
    for (const wake of waiting) wake()
    waiting.clear()
  }
  const stops = [store.onWrite(markStale), clock.every(pollIntervalMs, markStale)]

  async function read(): Promise<void> {
    isStale = false
    const { from, through } = span ?? (await beginning())
    const outcome = await store.readChangesAfter({ after: through, limit: readLimit })
    if (outcome.kind === 'forgotten') {
      changes = []
      span = { from: outcome.last, through: outcome.last }
      return
    }
    changes.push(...outcome.changes)
    const dropped = changes.splice(0, Math.max(0, changes.length - windowSize)).at(-1)
    span = { from: dropped?.change ?? from, through: outcome.through }
    if (outcome.changes.length === readLimit) isStale = true
  }

  async function beginning() {
    const position = await store.readChangePosition()
    return { from: position, through: position }
  }

  /** One at a time, for all who ask. */
  function refresh(): Promise<void> {
    reading ??= read().finally(() => {
      reading = undefined
    })
    return reading
  }

  return {
    next: async (after, signal) => {
      for (;;) {
        signal.throwIfAborted()
        if (isStale || reading !== undefined || span === undefined) await refresh()
        if (span === undefined) continue
        const { from, through } = span
        if (after < from || after > through) return store.readChangesAfter({ after, limit: readLimit })
        if (after < through) {
          return { kind: 'changes', changes: changes.slice(firstAfter(changes, after)), through }
        }
        if (!isStale) await untilWoken(waiting, signal)
      }
    },
    close: () => {
      for (const stop of stops) stop()
      markStale()
    },
  }
}

async function untilWoken(waiting: Set<() => void>, signal: AbortSignal): Promise<void> {
  const woken = Promise.withResolvers<void>()
  waiting.add(woken.resolve)
  signal.addEventListener('abort', () => woken.resolve(), { once: true })
  await woken.promise
  waiting.delete(woken.resolve)
}

/** The window is in order: found by halving. */
function firstAfter(changes: readonly InstanceChange[], after: number): number {
  let [low, high] = [0, changes.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((changes[middle]?.change ?? 0) > after) high = middle
    else low = middle + 1
  }
  return low
}

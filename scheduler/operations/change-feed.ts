// What changes in instances, read from the store once for everybody who watches. In: the store's changes. Out: those after a
// position, now or as soon as there are some. It holds a window of the newest in memory; who is further behind reads the
// store.
import type { Clock } from '../../lib/clock.ts'
import type { ChangesAfter, InstanceChange, Store } from '../store/store.ts'

export interface ChangeFeed {
  /** Changes after the position: at once where there are some, else when there are. @throws when the signal says so */
  next(after: number, signal: AbortSignal): Promise<ChangesAfter<InstanceChange>>
  close(): void
}

const windowSize = 5000
const readLimit = 500
/**
 * Between two reads, for each who waits: where many watch, what comes meanwhile is told together. To tell one of them takes
 * some 0.07 ms of the thread that answers requests, most of it the kernel's, so that watchers use less than a tenth of it.
 */
const gatherMsPerWatcher = 1
const longestGatherMs = 1000
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
  /** As many as waited when they were last woken. */
  let watchers = 0
  /** Everybody at one position gets the same outcome, so that it is rendered once. */
  let shared = new Map<number, ChangesAfter<InstanceChange>>()
  let lastReadMs = Number.NEGATIVE_INFINITY

  const markStale = () => {
    isStale = true
    watchers = waiting.size
    for (const wake of waiting) wake()
    waiting.clear()
  }
  const stops = [store.onWrite(markStale), clock.every(pollIntervalMs, markStale)]

  async function read(): Promise<void> {
    const gatherMs = Math.min(watchers * gatherMsPerWatcher, longestGatherMs)
    const sinceLastMs = clock.monotonicMs() - lastReadMs
    if (sinceLastMs < gatherMs) await clock.sleep(gatherMs - sinceLastMs)
    lastReadMs = clock.monotonicMs()
    isStale = false
    shared = new Map()
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
    if (outcome.changes.length < readLimit) return
    // There is more already: nothing to wait for.
    isStale = true
    lastReadMs = Number.NEGATIVE_INFINITY
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
          const known = shared.get(after)
          if (known !== undefined) return known
          const outcome = {
            kind: 'changes',
            changes: changes.slice(firstAfter(changes, after)),
            through,
          } as const
          shared.set(after, outcome)
          return outcome
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
  const wake = () => woken.resolve()
  waiting.add(wake)
  signal.addEventListener('abort', wake)
  await woken.promise
  // A watch lasts for hours and waits thousands of times on one signal.
  signal.removeEventListener('abort', wake)
  waiting.delete(wake)
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

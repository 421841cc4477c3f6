import type { Clock } from '../../../lib/clock.ts'

/** Time passes as soon as somebody waits for it, so that retries and deadlines come at once and in order. */
export function createEagerClock(): Clock {
  let nowMs = 1_800_000_000_000
  const inTurn = (delayMs: number, run: () => void) => {
    const turn = setImmediate(() => {
      nowMs += delayMs
      run()
    })
    return () => clearImmediate(turn)
  }
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: (durationMs) => new Promise((resolve) => inTurn(durationMs, resolve)),
    after: inTurn,
    // Nothing here is about what happens now and then.
    every: () => () => {},
  }
}

/** Lets everything that is under way go on until the condition holds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 5000; turn += 1) {
    if (condition()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error(`It never came to this: ${what}.`)
}

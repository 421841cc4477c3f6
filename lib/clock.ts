/**
 * The only door to time. Everything that waits or stamps takes a Clock, so that
 * tests and simulations decide what time it is.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number
  /** Milliseconds since some fixed moment; never goes back. For durations and deadlines. */
  monotonicMs(): number
  /** Resolves after the time has passed, or rejects with the signal's reason. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>
  /** Calls once after the time has passed; the result cancels. Never keeps the process alive by itself. */
  after(delayMs: number, run: () => void): () => void
  /** Calls again and again; the result stops it. Never keeps the process alive by itself. */
  every(intervalMs: number, run: () => void): () => void
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (durationMs, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error)
        return
      }
      const onAbort = () => {
        clearTimeout(timer)
        reject(signal?.reason as Error)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, durationMs)
      signal?.addEventListener('abort', onAbort, { once: true })
    }),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
  every: (intervalMs, run) => {
    const timer = setInterval(run, intervalMs)
    timer.unref()
    return () => clearInterval(timer)
  },
}

/** RFC 3339 in UTC with milliseconds, as the API shows times. */
export function formatTimestamp(unixMs: number): string {
  return new Date(unixMs).toISOString()
}

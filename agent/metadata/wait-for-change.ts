import type { Clock } from '../../lib/clock.ts'
import type { Answer } from './answer.ts'
import type { Wait } from './gce-question.ts'

interface Waiting {
  readonly wait: Wait
  readonly clock: Clock
  /** The answer as it would be now. */
  readonly answer: () => Promise<Answer>
  /** Calls when it may have changed. */
  readonly watch: (onChange: () => void) => () => void
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal
}

/** A word that got lost costs this long and not the whole wait. */
const lookAgainMs = 5000

/** The answer once it is another than the asker has, or as it is when the time is over. */
export async function waitForChange({ wait, clock, answer, watch, signal }: Waiting): Promise<Answer> {
  const untilMs = clock.monotonicMs() + wait.timeoutMs
  let news = Promise.withResolvers<void>()
  const wake = () => news.resolve()
  const unwatch = watch(wake)
  signal.addEventListener('abort', wake)
  try {
    let now = await answer()
    const known = wait.lastEtag ?? now.headers['etag']
    while (now.status === 200 && now.headers['etag'] === known && !signal.aborted) {
      const leftMs = untilMs - clock.monotonicMs()
      if (leftMs <= 0) return now
      const cancel = clock.after(Math.min(leftMs, lookAgainMs), wake)
      await news.promise
      cancel()
      // Before it is read again: what changes meanwhile is news as well.
      news = Promise.withResolvers()
      now = await answer()
    }
    return now
  } finally {
    unwatch()
  }
}

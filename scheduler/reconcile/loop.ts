import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'

export interface Loop {
  /** Run soon, not only when the time has come. */
  nudge(): void
  stop(): Promise<void>
}

/**
 * Runs work again and again, never twice at once. Work takes no input: what it needs to know it reads, so that a nudge
 * and the timer lead to the same place. A failure is logged and the next run tries again.
 */
export function startLoop(options: {
  name: string
  intervalMs: number
  work: () => Promise<void>
  clock: Clock
  log: Logger
}): Loop {
  const { clock, log, name } = options
  let running: Promise<void> | undefined
  let isWanted = false
  let isStopped = false

  const run = () => {
    if (isStopped) return
    if (running) {
      isWanted = true
      return
    }
    isWanted = false
    running = options
      .work()
      .catch((thrown: unknown) =>
        log.error({ err: thrown, loop: name }, 'A background loop failed; it runs again.'),
      )
      .finally(() => {
        running = undefined
        if (isWanted) run()
      })
  }

  const stopTimer = clock.every(options.intervalMs, run)
  return {
    nudge: run,
    stop: async () => {
      isStopped = true
      stopTimer()
      await running
    },
  }
}

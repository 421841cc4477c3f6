import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'

export interface Loop {
  stop(): Promise<void>
}

/**
 * Runs work again and again, never twice at once. A failure is logged and the next run tries again.
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
  let isStopped = false

  const run = () => {
    if (isStopped || running) return
    running = options
      .work()
      .catch((thrown: unknown) =>
        log.error({ err: thrown, loop: name }, 'A background loop failed; it runs again.'),
      )
      .finally(() => {
        running = undefined
      })
  }

  const stopTimer = clock.every(options.intervalMs, run)
  return {
    stop: async () => {
      isStopped = true
      stopTimer()
      await running
    },
  }
}

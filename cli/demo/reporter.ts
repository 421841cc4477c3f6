import type { Clock } from '../../lib/clock.ts'
import { renderDuration } from '../output/duration.ts'

/** Tells what the demo does: lines with times for people, or one JSON object on each line for programs. */
export interface Reporter {
  event(name: string, message: string, data?: Readonly<Record<string, unknown>>): void
}

export function createReporter(options: {
  readonly isJson: boolean
  readonly clock: Clock
  readonly write: (text: string) => void
}): Reporter {
  const startedMs = options.clock.monotonicMs()
  return {
    event: (name, message, data = {}) => {
      const elapsedMs = Math.round(options.clock.monotonicMs() - startedMs)
      options.write(
        options.isJson
          ? `${JSON.stringify({ event: name, elapsedMs, message, ...data })}\n`
          : `${renderDuration(elapsedMs).padStart(7)}  ${message.replaceAll('\n', '\n         ')}\n`,
      )
    },
  }
}

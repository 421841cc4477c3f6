import type { Random } from './random.ts'

/**
 * The wait before attempt `attempt` (from 0): exponential between the bounds, with full jitter over its
 * upper half, so that a fleet that lost its scheduler at one moment doesn't come back at one moment.
 */
export function backoffMs(options: {
  attempt: number
  minMs: number
  maxMs: number
  random: Random
}): number {
  const ceiling = Math.min(options.maxMs, options.minMs * 2 ** Math.min(options.attempt, 30))
  return Math.round(ceiling / 2 + (ceiling / 2) * options.random.fraction())
}

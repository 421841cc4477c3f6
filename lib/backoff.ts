import type { Random } from './random.ts'

interface Growth {
  /** From 0. */
  readonly attempt: number
  readonly minMs: number
  readonly maxMs: number
}

/** Twice as long with each attempt, between the bounds. */
export const doublingMs = ({ attempt, minMs, maxMs }: Growth): number =>
  Math.min(maxMs, minMs * 2 ** Math.min(attempt, 30))

/**
 * The wait before attempt `attempt`: exponential between the bounds, with full jitter over its
 * upper half, so that a fleet that lost its scheduler at one moment doesn't come back at one moment.
 */
export function backoffMs({ random, ...growth }: Growth & { readonly random: Random }): number {
  const ceiling = doublingMs(growth)
  return Math.round(ceiling / 2 + (ceiling / 2) * random.fraction())
}

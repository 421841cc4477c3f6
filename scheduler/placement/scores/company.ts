import type { HostScore } from '../score.ts'

/**
 * The more are on a host, the later it is empty: so those with many get more, and those with few can come free. Hints of
 * how long they stay tell it better.
 */
export const company: HostScore = {
  weight: 0.1,
  of: ({ gpus, packing, expectedLifetimeS }, host) =>
    gpus.length === 0 || packing === 'spread' || expectedLifetimeS !== undefined
      ? 0
      : Math.min(host.occupants.size, mostThatCount),
}

/** Beyond, a host is not empty soon anyway. */
const mostThatCount = 8

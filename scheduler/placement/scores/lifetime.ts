import type { HostScore } from '../score.ts'

/** Less than this is soon, whatever it is. */
const soonS = 72
const hourS = 3600

/**
 * Where hints say so, keeps hosts emptying together: an instance costs what it delays the moment at which its host is
 * empty, and the more the sooner that would have been. Between those that it does not delay, the one that is empty first.
 */
export const lifetime: HostScore = {
  name: 'lifetime',
  weight: 10,
  of: ({ expectedLifetimeS }, { host }, nowMs) => {
    if (expectedLifetimeS === undefined || nowMs === undefined) return 0
    let emptyMs = nowMs
    for (const { expectedEndMs } of host.occupants ?? []) {
      if (expectedEndMs === undefined) return 0
      if (expectedEndMs > emptyMs) emptyMs = expectedEndMs
    }
    const delay = weightOf(expectedLifetimeS) - weightOf((emptyMs - nowMs) / 1000)
    return delay > 0 ? -delay : 0.05 * delay
  },
}

const weightOf = (seconds: number) => ((seconds + soonS) / hourS) ** 0.4

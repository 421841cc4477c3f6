import type { HostScore } from '../score.ts'

/** Less than this is soon, whatever it is. */
export const soonS = 72
const hourS = 3600

/**
 * Where hints say so, keeps hosts emptying together: an instance costs what it delays the moment at which its host is
 * empty, and the more the sooner that would have been. Between those that it does not delay, the one that is empty first.
 */
export const lifetime: HostScore = {
  weight: 27,
  of: ({ expectedLifetimeS }, { occupants }, nowMs) => {
    if (expectedLifetimeS === undefined || nowMs === undefined) return 0
    const emptyInS = occupants.emptyInS(nowMs)
    if (emptyInS === undefined) return 0
    const delay = weightOf(expectedLifetimeS) - weightOf(emptyInS)
    return delay > 0 ? -delay : 0.03 * delay
  },
}

const weightOf = (seconds: number) => ((seconds + soonS) / hourS) ** 0.2

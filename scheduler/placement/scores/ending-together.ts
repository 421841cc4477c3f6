import type { HostScore } from '../score.ts'
import { soonS } from './lifetime.ts'

/** What comes free at one time is room for who needs much: goes to those whose ends, by their hints, are near to its own. */
export const endingTogether: HostScore = {
  weight: 0.8,
  of: ({ expectedLifetimeS, gpus }, { occupants: { list } }, nowMs) => {
    if (expectedLifetimeS === undefined || nowMs === undefined || gpus.length === 0) return 0
    const ownS = expectedLifetimeS + soonS
    let alike = 0
    for (const { expectedEndMs } of list) {
      if (expectedEndMs === undefined) continue
      const leftS = Math.max(0, expectedEndMs - nowMs) / 1000 + soonS
      alike += (leftS < ownS ? leftS / ownS : ownS / leftS) ** 3
    }
    return alike
  },
}

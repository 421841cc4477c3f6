import { leftS } from '../occupants.ts'
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
      const otherS = leftS(expectedEndMs, nowMs) + soonS
      alike += (otherS < ownS ? otherS / ownS : ownS / otherS) ** 3
    }
    return alike
  },
}

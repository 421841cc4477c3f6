import type { Counter } from '../../model/placement.ts'
import type { Score } from '../score.ts'

/** Fill what is begun: hosts that stay empty can take what needs a whole host. */
export const pack: Score = {
  name: 'pack',
  weight: 1,
  of: (_demand, host) => (usedShare(host.vcpus) + usedShare(host.memoryMib)) / 2,
}

const usedShare = (counter: Counter) => (counter.capacity > 0 ? counter.used / counter.capacity : 1)

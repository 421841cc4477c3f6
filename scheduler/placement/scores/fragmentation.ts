import { gpusOf } from '../demand.ts'
import type { Score } from '../score.ts'

/** What requests come in: how many of each a host could still take, and what it is worth that it can. */
const blocks = [
  { gpus: 8, worth: 1 },
  { gpus: 4, worth: 0.5 },
  { gpus: 2, worth: 0.25 },
] as const

/** The loss of room for 8, 4 and 2 GPUs, beyond what the demand takes itself; between equals, fewer that stay free. */
export const fragmentation: Score = {
  weight: 1,
  of: (demand, { freeGpus }) => {
    const count = gpusOf(demand)
    if (count === 0) return 0
    const left = freeGpus - count
    let loss = 0.1 * left
    for (const { gpus, worth } of blocks) {
      const lost = Math.floor(freeGpus / gpus) - Math.floor(left / gpus) - Math.floor(count / gpus)
      loss += worth * lost
    }
    return -loss
  },
}

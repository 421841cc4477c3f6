import { gpusOf } from '../demand.ts'
import type { Score } from '../score.ts'

/** CPUs beside free GPUs are what those GPUs need later: a demand without GPUs goes elsewhere first. */
export const gpuHostsLast: Score = {
  weight: 3,
  of: (demand, { freeGpus }) => (freeGpus > 0 && gpusOf(demand) === 0 ? -1 : 0),
}

import { freeDevices } from '../devices.ts'
import type { Score } from '../score.ts'

/** Best fit: the fewer GPUs stay free on the host, the more whole hosts stay free for requests of eight. */
export const gpuFit: Score = {
  name: 'gpu-fit',
  weight: 10,
  of: (demand, host) => {
    let left = 0
    for (const { type, count } of demand.gpus) left += freeDevices(demand, host, type).length - count
    return 1 / (1 + left)
  },
}

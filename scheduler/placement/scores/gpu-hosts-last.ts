import { isFree, wishOf } from '../devices.ts'
import type { Score } from '../score.ts'

/** CPUs beside free GPUs are what those GPUs need later: a demand without GPUs goes elsewhere first. */
export const gpuHostsLast: Score = {
  name: 'gpu-hosts-last',
  weight: 100,
  of: (demand, host) => {
    if (demand.gpus.length > 0) return 1
    const wish = wishOf(demand, host)
    const hasFree = host.devices.some(
      (device) => device.acceleratorType !== undefined && isFree(device, wish),
    )
    return hasFree ? 0 : 1
  },
}

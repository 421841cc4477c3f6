import { devicesOfType } from '../devices.ts'
import { fits, type Rule } from '../rule.ts'

/** The host has GPUs of every asked type at all. */
export const gpuModel: Rule = {
  name: 'gpu-model',
  check: (demand, host) => {
    const missing = demand.gpus.find((gpu) => devicesOfType(host, gpu.type).length === 0)
    return missing
      ? { kind: 'refused', message: `it has no ${missing.type}`, couldEverFit: false, shortfall: 1 }
      : fits
  },
}

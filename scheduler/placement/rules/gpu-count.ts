import { devicesOfType, isFree } from '../devices.ts'
import { fits, type Rule } from '../rule.ts'

export const gpuCount: Rule = {
  name: 'gpu-count',
  check: (demand, host) => {
    const types = demand.gpus.map(({ type, count }) => {
      const all = devicesOfType(host, type)
      return { type, count, all: all.length, free: all.filter(isFree).length }
    })
    const lacking = types.find(({ count, free }) => free < count)
    if (!lacking) return fits
    const { type, count, all, free } = lacking
    return {
      kind: 'refused',
      message: `it has ${free} of ${all} ${type} free and ${count} are needed`,
      // Of every type, not only of the one that is told.
      couldEverFit: types.every((one) => one.count <= one.all),
      shortfall: (count - free) / count,
    }
  },
}

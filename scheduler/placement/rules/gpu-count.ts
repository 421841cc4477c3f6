import { describeTroubles } from '../../model/device.ts'
import { devicesOfType, freeDevices, wishOf } from '../devices.ts'
import { fits, type Rule } from '../rule.ts'

export const gpuCount: Rule = {
  name: 'gpu-count',
  check: (demand, host) => {
    const types = demand.gpus.map(({ type, count }) => {
      const all = devicesOfType(host, type)
      return { type, count, all, free: freeDevices(demand, host, type).length }
    })
    const lacking = types.find(({ count, free }) => free < count)
    if (!lacking) return fits
    const { type, count, all, free } = lacking
    const unclaimed = all.filter(({ claimedBy }) => claimedBy === undefined)
    const troubles = describeTroubles(unclaimed, wishOf(demand, host))
    return {
      kind: 'refused',
      message: `it has ${free} of ${all.length} ${type} free and ${count} are needed${troubles === '' ? '' : `: ${troubles}`}`,
      // Of every type, not only of the one that is told.
      couldEverFit: types.every((one) => one.count <= one.all.length),
      shortfall: (count - free) / count,
    }
  },
}

import { describeTroubles } from '../../model/device.ts'
import type { Demand, HostSnapshot } from '../../model/placement.ts'
import { devicesOfType, freeDevices, wishOf } from '../devices.ts'
import { partitionsWithin } from '../partitions.ts'
import { fits, type Rule, type RuleOutcome } from '../rule.ts'

export const gpuCount: Rule = {
  name: 'gpu-count',
  check: (demand, host) => {
    const types = demand.gpus.map(({ type, count }) => {
      const all = devicesOfType(host, type)
      return { type, count, all, free: freeDevices(demand, host, type).length }
    })
    const lacking = types.find(({ count, free }) => free < count)
    if (!lacking) return checkPartition(demand, host)
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

/** Enough are free; where NVSwitches join them, a guest gets exactly those of one partition. */
function checkPartition(demand: Demand, host: HostSnapshot): RuleOutcome {
  const [gpu, another] = demand.gpus
  if (gpu === undefined || host.partitions === undefined) return fits
  const { type, count } = gpu
  const sizes = (partitionsWithin(host, devicesOfType(host, type)) ?? []).map((one) => one.length)
  const free = partitionsWithin(host, freeDevices(demand, host, type)) ?? []
  const isPossible = another === undefined && sizes.includes(count)
  if (isPossible && free.some((one) => one.length === count)) return fits
  const all = [...new Set(sizes)].toSorted((a, b) => a - b).join(', ')
  const possible = another === undefined ? `${all === '' ? 'none' : all} of them` : 'one type of them'
  return {
    kind: 'refused',
    message: isPossible
      ? `NVSwitches join its ${type}, and none of their partitions of ${count} is free`
      : `NVSwitches join its ${type}, and a guest gets ${possible}`,
    couldEverFit: isPossible,
    shortfall: 1 / count,
  }
}

import type { Demand } from '../model/placement.ts'
import type { CountedHost } from './counted-host.ts'
import { usualShare } from './scores/stranding.ts'

/**
 * What a guest with so many GPUs usually takes of such a host: of vCPUs and memory the share that `stranding` keeps for
 * each. Two such guests take exactly what one with the GPUs of both does.
 */
export function usualDemand(
  { host, vcpus, memoryMib, gpus }: CountedHost,
  type: string,
  count: number,
): Demand {
  const each = (capacity: number) => Math.max(1, Math.floor((capacity * usualShare) / gpus))
  return {
    ...{ zone: host.zone, architecture: host.architecture },
    ...{ vcpus: each(vcpus) * count, memoryMib: each(memoryMib) * count, diskGb: count },
    gpus: [{ type, count }],
  }
}

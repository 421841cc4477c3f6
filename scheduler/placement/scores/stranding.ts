import { gpusOf } from '../demand.ts'
import type { FreeShape } from '../free-shape.ts'
import type { Score } from '../score.ts'

/** Of the vCPUs and the memory that the host has for each of its GPUs, what a guest with one needs. */
export const usualShare = 0.75

/** GPUs that nobody can use any more for want of vCPUs or memory: how many more there are afterwards. */
export const stranding: Score = {
  weight: 8,
  of: (demand, host) => {
    if (host.freeGpus === 0) return 0
    const before = strandedOf(host, host.freeGpus, host.freeVcpus, host.freeMemoryMib)
    const after = strandedOf(
      host,
      host.freeGpus - gpusOf(demand),
      host.freeVcpus - demand.vcpus,
      host.freeMemoryMib - demand.memoryMib,
    )
    return before - after
  },
}

function strandedOf({ gpus, vcpus, memoryMib }: FreeShape, free: number, freeVcpus: number, freeMib: number) {
  const byVcpus = (freeVcpus * gpus) / (usualShare * vcpus)
  const byMemory = (freeMib * gpus) / (usualShare * memoryMib)
  return Math.max(0, free - Math.min(byVcpus, byMemory))
}

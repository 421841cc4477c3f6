import { gpusOf } from '../../scheduler/placement/demand.ts'
import type { FreeShape } from '../../scheduler/placement/free-shape.ts'
import { hashOf } from '../../scheduler/placement/seed.ts'
import type { Rate } from './policy.ts'

/** The largest of each, as the measure of all. */
export interface Largest {
  readonly vcpus: number
  readonly memoryMib: number
  readonly gpus: number
}

export const largestOf = (shapes: readonly FreeShape[]): Largest => ({
  vcpus: Math.max(...shapes.map(({ vcpus }) => vcpus)),
  memoryMib: Math.max(...shapes.map(({ memoryMib }) => memoryMib)),
  gpus: Math.max(1, ...shapes.map(({ gpus }) => gpus)),
})

export const random: Rate = (_demand, host, seed) => hashOf(`${seed}/${host.host.hostId}`)

export const firstFit: Rate = () => 0

/** Least left over, all dimensions alike. */
export const bestFit =
  (largest: Largest): Rate =>
  (demand, host) =>
    -(
      (host.freeGpus - gpusOf(demand)) / largest.gpus +
      (host.freeVcpus - demand.vcpus) / largest.vcpus +
      (host.freeMemoryMib - demand.memoryMib) / largest.memoryMib
    )

/** The demand and what is free point the same way. */
export const dotProduct =
  (largest: Largest): Rate =>
  (demand, host) =>
    (gpusOf(demand) * host.freeGpus) / largest.gpus ** 2 +
    (demand.vcpus * host.freeVcpus) / largest.vcpus ** 2 +
    (demand.memoryMib * host.freeMemoryMib) / largest.memoryMib ** 2

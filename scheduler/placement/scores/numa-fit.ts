import { gpusOf } from '../demand.ts'
import type { HostScore } from '../score.ts'

/** GPUs of one NUMA node reach one another and their memory without the way between sockets. */
export const numaFit: HostScore = {
  weight: 0.1,
  of: (demand, host) => (gpusOf(demand) <= host.freeOnNode ? 0 : -1),
}

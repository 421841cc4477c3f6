import { freeGpusOn } from '../choose-cells.ts'
import { hasRoomFor } from '../counted-cells.ts'
import { gpusOf } from '../demand.ts'
import type { HostScore } from '../score.ts'

/** A guest in one NUMA cell with its GPUs reaches nothing by way of another one. */
export const cellFit: HostScore = {
  weight: 0.1,
  of: (demand, host) => {
    if (host.cells.length === 0) return 0
    const gpus = gpusOf(demand)
    for (const cell of host.cells) {
      if (hasRoomFor(cell, demand) && freeGpusOn(host, cell.numaNode) >= gpus) return 0
    }
    return -1
  },
}

import { freeFor, stocksFor } from '../devices.ts'
import { nearestCell } from '../near-cells.ts'
import { lacksNow, type Rule } from '../rule.ts'

/** Where GPUs are to be on one NUMA node, vCPUs and memory are free there as well. */
export const numaCell: Rule = {
  name: 'numa-cell',
  holds: (demand, host) => {
    if (host.cells.length === 0 || !demand.gpus.some(({ topology }) => topology === 'same-numa')) return true
    // Whether the GPUs are there is for other rules.
    return stocksFor(demand, host).every((found) => !found?.isNear || found.isAble)
  },
  explain: (demand, host) => {
    const [found] = stocksFor(demand, host)
    const nearest = found && nearestCell(demand, host, found.wish, freeFor(demand, found.stock))
    if (nearest === undefined) return lacksNow(() => 'none of its NUMA cells has the GPUs, vCPUs and memory')
    const { cell, lacks, shortfall } = nearest
    const needed = demand[lacks]
    const [free, unit] =
      lacks === 'vcpus'
        ? [Math.max(0, cell.freeVcpus), 'vCPUs']
        : [Math.max(0, cell.freeMemoryMib), 'MiB of memory']
    return lacksNow(
      () =>
        `its NUMA cell ${cell.numaNode} has the GPUs but only ${free} of the ${needed} ${unit} that are needed`,
      Math.min(1, shortfall),
    )
  },
}

import type { Demand } from '../../model/placement.ts'
import { explainCounter } from '../counter.ts'
import type { Rule } from '../rule.ts'

/** What the instance takes on the host's disk, with those of its volumes that are not there yet. */
export const diskGbOf = ({ diskGb, volumes }: Demand): number => diskGb + (volumes?.newGb ?? 0)

export const disk: Rule = {
  name: 'disk',
  holds: (demand, host) => diskGbOf(demand) <= host.freeDiskGb,
  explain: (demand, { freeDiskGb: free, diskGb: capacity }) =>
    explainCounter(diskGbOf(demand), { free, capacity }, 'GB of disk'),
}

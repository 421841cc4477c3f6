import type { Demand } from '../../model/placement.ts'
import { explainCounter, isEnough } from '../counter.ts'
import type { Rule } from '../rule.ts'

/** What the instance takes on the host's disk, with those of its volumes that are not there yet. */
export const diskGbOf = ({ diskGb, volumes }: Demand): number => diskGb + (volumes?.newGb ?? 0)

export const disk: Rule = {
  name: 'disk',
  holds: (demand, { host }) => isEnough(diskGbOf(demand), host.diskGb),
  explain: (demand, { host }) => explainCounter(diskGbOf(demand), host.diskGb, 'GB of disk'),
}

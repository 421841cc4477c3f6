import { checkCounter } from '../counter.ts'
import type { Rule } from '../rule.ts'

export const disk: Rule = {
  name: 'disk',
  check: (demand, host) =>
    checkCounter(demand.diskGb + (demand.volumes?.newGb ?? 0), host.diskGb, 'GB of disk'),
}

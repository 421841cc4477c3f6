import { nameOfGroup } from '../../model/group.ts'
import { isMember } from '../../model/neighbours.ts'
import type { Demand } from '../../model/placement.ts'
import type { CountedHost } from '../counted-host.ts'
import { lacksNow, type Rule } from '../rule.ts'

/** Beside a member of each of the groups. Others can come to be there. */
export const affinity: Rule = {
  name: 'affinity',
  holds: (demand, host) => demand.affinity === undefined || missingOf(demand, host).length === 0,
  explain: (demand, host) => {
    const missing = missingOf(demand, host)
    const share = missing.length / (demand.affinity?.length ?? 1)
    return lacksNow(() => `no instance of ${missing.map(nameOfGroup).join(', ')} is there`, share)
  },
}

const missingOf = ({ affinity: wanted = [] }: Demand, { occupants }: CountedHost) =>
  wanted.filter((group) => !isMember(occupants, group))

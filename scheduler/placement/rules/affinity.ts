import { hasMember } from '../../model/neighbours.ts'
import type { Demand, HostSnapshot } from '../../model/placement.ts'
import { lacksNow, type Rule } from '../rule.ts'

/** Beside a member of each of the groups. Others can come to be there. */
export const affinity: Rule = {
  name: 'affinity',
  holds: (demand, { host }) => demand.affinity === undefined || missingOf(demand, host).length === 0,
  explain: (demand, { host }) => {
    const missing = missingOf(demand, host)
    const share = missing.length / (demand.affinity?.length ?? 1)
    return lacksNow(`no instance of ${missing.join(', ')} is there`, share)
  },
}

const missingOf = ({ affinity: wanted = [] }: Demand, host: HostSnapshot) =>
  wanted.filter((group) => !hasMember(host, group))

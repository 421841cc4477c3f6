import { hasMember } from '../../model/neighbours.ts'
import { lacksNow, type Rule } from '../rule.ts'

/** Away from every member of the groups. */
export const antiAffinity: Rule = {
  name: 'anti-affinity',
  holds: ({ antiAffinity: avoided = [] }, { host }) => !avoided.some((group) => hasMember(host, group)),
  explain: ({ antiAffinity: avoided = [] }, { host }) => {
    const there = avoided.filter((group) => hasMember(host, group))
    return lacksNow(`instances of ${there.join(', ')} are there`, there.length / avoided.length)
  },
}

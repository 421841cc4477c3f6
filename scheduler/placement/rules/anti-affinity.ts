import { nameOfGroup } from '../../model/group.ts'
import { lacksNow, type Rule } from '../rule.ts'
import { hasMember } from './affinity.ts'

/** Away from every member of the groups. */
export const antiAffinity: Rule = {
  name: 'anti-affinity',
  holds: ({ antiAffinity: avoided = [] }, host) => !avoided.some((group) => hasMember(host, group)),
  explain: ({ antiAffinity: avoided = [] }, host) => {
    const there = avoided.filter((group) => hasMember(host, group))
    const names = () => [...new Set(there.map(nameOfGroup))].join(', ')
    return lacksNow(() => `instances of ${names()} are there`, there.length / avoided.length)
  },
}

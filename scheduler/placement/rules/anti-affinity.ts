import { nameOfGroup } from '../../model/group.ts'
import { isMember } from '../../model/neighbours.ts'
import { lacksNow, type Rule } from '../rule.ts'

/** Away from every member of the groups. */
export const antiAffinity: Rule = {
  name: 'anti-affinity',
  holds: ({ antiAffinity: avoided = [] }, { occupants }) =>
    !avoided.some((group) => isMember(occupants, group)),
  explain: ({ antiAffinity: avoided = [] }, { occupants }) => {
    const there = avoided.filter((group) => isMember(occupants, group))
    const names = () => [...new Set(there.map(nameOfGroup))].join(', ')
    return lacksNow(() => `instances of ${names()} are there`, there.length / avoided.length)
  },
}

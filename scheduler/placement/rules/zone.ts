import { lacksForGood, type Rule } from '../rule.ts'

export const zone: Rule = {
  name: 'zone',
  holds: (demand, { host }) => host.zone === demand.zone,
  explain: (demand, { host }) => lacksForGood(() => `it is in zone ${host.zone}, not ${demand.zone}`),
}

import { lacksForGood, type Rule } from '../rule.ts'

export const architecture: Rule = {
  name: 'architecture',
  holds: (demand, { host }) => host.architecture === demand.architecture,
  explain: (demand, { host }) =>
    lacksForGood(() => `it is ${host.architecture} and the image is ${demand.architecture}`),
}

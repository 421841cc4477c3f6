import { explainCounter, isEnough } from '../counter.ts'
import type { Rule } from '../rule.ts'

export const vcpus: Rule = {
  name: 'vcpus',
  holds: (demand, { host }) => isEnough(demand.vcpus, host.vcpus),
  explain: (demand, { host }) => explainCounter(demand.vcpus, host.vcpus, 'vCPUs'),
}

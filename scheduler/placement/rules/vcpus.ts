import { explainCounter } from '../counter.ts'
import type { Rule } from '../rule.ts'

export const vcpus: Rule = {
  name: 'vcpus',
  holds: (demand, host) => demand.vcpus <= host.freeVcpus,
  explain: (demand, { freeVcpus: free, vcpus: capacity }) =>
    explainCounter(demand.vcpus, { free, capacity }, 'vCPUs'),
}

import { checkCounter } from '../counter.ts'
import type { Rule } from '../rule.ts'

export const vcpus: Rule = {
  name: 'vcpus',
  check: (demand, host) => checkCounter(demand.vcpus, host.vcpus, 'vCPUs'),
}

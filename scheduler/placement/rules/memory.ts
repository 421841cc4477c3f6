import { checkCounter } from '../counter.ts'
import type { Rule } from '../rule.ts'

export const memory: Rule = {
  name: 'memory',
  check: (demand, host) => checkCounter(demand.memoryMib, host.memoryMib, 'MiB of memory'),
}

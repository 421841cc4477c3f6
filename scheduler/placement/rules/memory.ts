import { explainCounter } from '../counter.ts'
import type { Rule } from '../rule.ts'

export const memory: Rule = {
  name: 'memory',
  holds: (demand, host) => demand.memoryMib <= host.freeMemoryMib,
  explain: (demand, { freeMemoryMib: free, memoryMib: capacity }) =>
    explainCounter(demand.memoryMib, { free, capacity }, 'MiB of memory'),
}

import { explainCounter, isEnough } from '../counter.ts'
import type { Rule } from '../rule.ts'

export const memory: Rule = {
  name: 'memory',
  holds: ({ memoryMib }, { host }) => isEnough(memoryMib, host.memoryMib),
  explain: ({ memoryMib }, { host }) => explainCounter(memoryMib, host.memoryMib, 'MiB of memory'),
}

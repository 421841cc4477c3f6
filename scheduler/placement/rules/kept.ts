import { lacksNow, type Rule } from '../rule.ts'

/** What comes free on a host that is kept goes to the instance that has waited for it longest. */
export const kept: Rule = {
  name: 'kept',
  holds: ({ ticket }, { host: { keptFor } }) => keptFor === undefined || keptFor === ticket,
  explain: () => lacksNow(() => 'its room is kept for an instance that has waited for long'),
}

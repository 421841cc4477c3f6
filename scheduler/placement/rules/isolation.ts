import { isTakenWhole } from '../../model/neighbours.ts'
import { lacksNow, type Rule } from '../rule.ts'

/** Who asks for a whole host gets one where nobody is, and nobody comes to it afterwards. */
export const isolation: Rule = {
  name: 'isolation',
  holds: (demand, counted) =>
    !isTakenWhole(counted.host) && (demand.isolation !== 'host' || counted.empty === 1),
  explain: (_demand, { host }) =>
    lacksNow(
      isTakenWhole(host)
        ? 'an instance has it for itself'
        : 'others are there, and the instance wants the host for itself',
    ),
}

import type { HostSnapshot } from '../../model/placement.ts'
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

export const isTakenWhole = ({ occupants }: HostSnapshot): boolean =>
  occupants?.some((occupant) => occupant.isolation === 'host') === true

import { lacksNow, type Rule } from '../rule.ts'

/** Who asks for a whole host gets one where nobody is, and nobody comes to it afterwards. */
export const isolation: Rule = {
  name: 'isolation',
  holds: (demand, host) => !host.occupants.isTakenWhole && (demand.isolation !== 'host' || host.empty === 1),
  explain: (_demand, { occupants }) =>
    lacksNow(() =>
      occupants.isTakenWhole
        ? 'an instance has it for itself'
        : 'others are there, and the instance wants the host for itself',
    ),
}

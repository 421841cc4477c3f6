import { fits, type Rule } from '../rule.ts'

/** A host that is silent or cordoned takes nothing new; both can end. */
export const hostReady: Rule = {
  name: 'host-ready',
  check: (_demand, host) => {
    if (host.state !== 'ready') {
      return { kind: 'refused', message: `it is ${host.state}`, couldEverFit: true, shortfall: 1 }
    }
    return host.connected
      ? fits
      : { kind: 'refused', message: 'its agent is not connected', couldEverFit: true, shortfall: 1 }
  },
}

import { fits, type Rule } from '../rule.ts'

/** A host that is silent or cordoned takes nothing new; both can end. */
export const hostReady: Rule = {
  name: 'host-ready',
  check: (_demand, host) => {
    if (host.state === 'cordoned') {
      return { kind: 'refused', message: 'it is cordoned', couldEverFit: true, shortfall: 1 }
    }
    return host.connected
      ? fits
      : { kind: 'refused', message: 'its agent is not connected', couldEverFit: true, shortfall: 1 }
  },
}

import { lacksNow, type Rule } from '../rule.ts'

/** A host that is silent or cordoned takes nothing new; both can end. */
export const hostReady: Rule = {
  name: 'host-ready',
  holds: (_demand, { host }) => host.state === 'ready' && host.connected,
  explain: (_demand, { host }) =>
    lacksNow(() => (host.state === 'ready' ? 'its agent is not connected' : `it is ${host.state}`)),
}

// Rules of a network's firewall.
import { resourceUid } from '../../../proto/ids.ts'
import { checkFirewallRule } from '../../admission/firewall-rule.ts'
import type { CreateFirewallRule } from '../../admission/resource-requests.ts'
import { refuse, refuseAll } from '../../errors.ts'
import type { CatalogueFirewallRule, CatalogueNetwork } from '../../model/catalogue.ts'
import type { FirewallRule } from '../../model/firewall.ts'
import { scopeOf } from '../../model/resource.ts'
import { done, type Outcome } from '../outcome.ts'
import type { OperationPorts } from '../ports.ts'
import type { Planned, Subject } from './change-resource.ts'

/** Of a network. Each costs every packet that opens a connection. */
const maximumRules = 100

export function planFirewallRule(
  { body, project, network }: { body: CreateFirewallRule; project: string; network: CatalogueNetwork },
  { random, clock }: Pick<OperationPorts, 'random' | 'clock'>,
): Planned {
  const { id, ...rule } = body
  const [first, ...others] = checkFirewallRule(rule)
  if (first !== undefined) return refuseAll([first, ...others])
  if (network.firewallRules.length >= maximumRules) return refuse('TOO_MANY_RULES', { maximum: maximumRules })
  return done([
    {
      uid: resourceUid(random.uuid()),
      collection: 'firewall-rules',
      scope: scopeOf.network(project, network.id),
      id: id ?? `rule-${random.slug(6)}`,
      parentUid: network.meta.uid,
      body: rule,
      nowMs: clock.nowMs(),
    },
  ])
}

/** The rule as it would be: a patch can make ports meaningless, too. */
export function checkRulePatch(
  patch: Readonly<Record<string, unknown>>,
  before: FirewallRule,
): Outcome<object> {
  const after: Readonly<Record<string, unknown>> = { ...before, ...patch }
  const merged = Object.entries(after).filter(([, value]) => value !== null)
  const [first, ...others] = checkFirewallRule(Object.fromEntries(merged) as unknown as FirewallRule)
  return first === undefined ? done(patch) : refuseAll([first, ...others])
}

/** A network takes its rules along. */
export const rulesOf = (network: CatalogueNetwork): readonly Subject[] =>
  network.firewallRules.map(({ id, meta }: CatalogueFirewallRule) => ({
    ...{ collection: 'firewall-rules', id, meta },
  }))

// Which hosts an instance can share, and with whom: the same predicates for placement and for the transaction that commits it.
import type { Demand, LabelSelector, Occupant } from './placement.ts'

/** Asked of one who is on a host, or of the groups of all of them. */
export const isMember = (
  { groups }: { readonly groups?: readonly string[] | undefined },
  group: string,
): boolean => groups?.includes(group) === true

/** Nobody is to be beside it. */
export const takesWhole = ({ isolation }: Occupant): boolean => isolation === 'host'

export function matchesLabel(labels: Readonly<Record<string, string>>, selector: LabelSelector): boolean {
  const value = Object.hasOwn(labels, selector.key) ? labels[selector.key] : undefined
  switch (selector.kind) {
    case 'in':
      return value !== undefined && selector.values.includes(value)
    case 'not-in':
      return value === undefined || !selector.values.includes(value)
    case 'exists':
      return value !== undefined
    case 'absent':
      return value === undefined
  }
}

/** What of a demand matters to those who come later. */
export function occupantOf(
  uid: string,
  { groups, isolation, expectedLifetimeS }: Pick<Demand, 'groups' | 'isolation' | 'expectedLifetimeS'>,
  nowMs: number | undefined,
): Occupant {
  return {
    uid,
    ...(groups === undefined ? {} : { groups }),
    ...(isolation === undefined ? {} : { isolation }),
    ...(expectedLifetimeS === undefined || nowMs === undefined
      ? {}
      : { expectedEndMs: nowMs + expectedLifetimeS * 1000 }),
  }
}

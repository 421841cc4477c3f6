// Which hosts an instance can share, and with whom: the same predicates for placement and for the transaction that commits it.
import type { Demand, HostSnapshot, LabelSelector, Occupant } from './placement.ts'

export const hasMember = ({ occupants = [] }: Pick<HostSnapshot, 'occupants'>, group: string): boolean =>
  occupants.some(({ groups }) => groups?.includes(group) === true)

export const isTakenWhole = ({ occupants }: Pick<HostSnapshot, 'occupants'>): boolean =>
  occupants?.some((occupant) => occupant.isolation === 'host') === true

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

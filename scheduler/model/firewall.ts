// What a network lets its members receive, and whether they reach the outside.

/** Of a network: everything, or only what its rules allow and answers to what its members sent. */
export const ingressPolicies = ['ALLOW', 'DENY'] as const
export type IngressPolicy = (typeof ingressPolicies)[number]

/** Of a network: none, or by their host's gateway, which nobody outside can begin anything through. */
export const internetAccesses = ['NONE', 'NAT'] as const
export type InternetAccess = (typeof internetAccesses)[number]

/** ICMP is ICMPv6 too. */
export const firewallProtocols = ['ALL', 'TCP', 'UDP', 'ICMP'] as const

/** Allows what all of its parts match; a part that is absent matches everything. */
export interface FirewallRule {
  readonly id: string
  readonly description?: string
  readonly protocol: (typeof firewallProtocols)[number]
  /** 22 or 8000-8100, of TCP and UDP. */
  readonly ports?: readonly string[]
  /** Ranges of addresses, IPv4 or IPv6. */
  readonly sources?: readonly string[]
  readonly destinations?: readonly string[]
}

/** What a network asks of hosts besides a bridge. */
export interface NetworkPolicy {
  readonly defaultIngress?: IngressPolicy
  readonly internetAccess?: InternetAccess
}

/** What a host needs for it, as its agent names it, and what asks for it. */
const needs = [
  { field: 'defaultIngress', value: 'DENY', feature: 'stateful-filter' },
  { field: 'internetAccess', value: 'NAT', feature: 'nat-gateway' },
] as const
export type PolicyNeed = (typeof needs)[number]

export const needsOf = (policy: NetworkPolicy): readonly PolicyNeed[] =>
  needs.filter(({ field, value }) => policy[field] === value)

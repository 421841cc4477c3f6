// What a network lets its members receive.

/** Of a network: everything, or only what its rules allow and answers to what its members sent. */
export const ingressPolicies = ['ALLOW', 'DENY'] as const
export type IngressPolicy = (typeof ingressPolicies)[number]

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

/** What a host needs for a network that denies: as its agent names it. */
export const statefulFilter = 'stateful-filter'

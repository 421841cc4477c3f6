import ipaddr from 'ipaddr.js'
import {
  type Firewall,
  FirewallProtocol,
  type FirewallRule,
} from '../../proto/gen/berth/agent/v1/network_pb.ts'
import { bridgeName, firewallTableName, servicePortName, uplinkPortName } from './names.ts'

/**
 * What members of a network receive on this host, for `nft -f -`. Stateful: answers to what a member sent pass. The
 * network's own services always reach it. Connections of each network are in a zone of their own, for the addresses of
 * two networks may be the same. The text is as long as the rules, however many guests there are.
 */
export function renderFirewall(networkUid: string, firewall: Firewall, zone: number): string {
  const table = `table bridge ${firewallTableName(networkUid)}`
  const bridge = bridgeName(networkUid)
  const service = servicePortName(networkUid)
  return [
    ...[table, `delete ${table}`, `${table} {`],
    '  chain zone {',
    // Before connections are looked up.
    '    type filter hook prerouting priority -300; policy accept;',
    `    meta ibrname "${bridge}" ct zone set ${zone}`,
    '  }',
    '  chain forward {',
    '    type filter hook forward priority 0; policy accept;',
    `    meta ibrname "${bridge}" goto members`,
    '  }',
    '  chain members {',
    // What leaves this host is for the host to judge where the member is; here it begins a connection.
    `    oifname "${uplinkPortName(networkUid)}" accept`,
    `    iifname "${service}" accept`,
    `    oifname "${service}" accept`,
    '    ether type arp accept',
    // Neighbours and multicast listeners are the network's own housekeeping; each tap's filter keeps them true.
    '    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept',
    '    ct state established,related accept',
    '    ct state invalid drop',
    ...firewall.rules.flatMap(renderRule).map((line) => `    ${line}`),
    '    drop',
    ...['  }', '}', ''],
  ].join('\n')
}

/** Removes the firewall whether or not it is there. */
export function renderFirewallRemoval(networkUid: string): string {
  const table = `table bridge ${firewallTableName(networkUid)}`
  return `${table}\ndelete ${table}\n`
}

type Family = 'ip' | 'ip6'

/** A line for each family that the addresses leave; one for both where none is named. */
function renderRule(rule: FirewallRule): readonly string[] {
  const { sources, destinations } = rule
  const what = renderProtocol(rule)
  if (sources.length === 0 && destinations.length === 0) return [join(what, 'accept')]
  return (['ip', 'ip6'] as const).flatMap((family) => {
    const from = renderAddresses(family, 'saddr', sources)
    const to = renderAddresses(family, 'daddr', destinations)
    return from === undefined || to === undefined ? [] : [join(from, to, what, 'accept')]
  })
}

const join = (...parts: readonly string[]) => parts.filter((part) => part !== '').join(' ')

/** '' for all addresses; undefined where none of this family is among them. */
function renderAddresses(
  family: Family,
  side: 'saddr' | 'daddr',
  ranges: readonly string[],
): string | undefined {
  if (ranges.length === 0) return ''
  const parsed = ranges.map(parseRange).filter((range) => range.family === family)
  // nft refuses a set whose ranges overlap, and of two that do, one is inside of the other.
  const kept = parsed.filter(
    (range, index) =>
      !parsed.some(
        (other, at) => at !== index && contains(other, range) && !(contains(range, other) && at > index),
      ),
  )
  return kept.length === 0 ? undefined : `${family} ${side} { ${kept.map(({ text }) => text).join(', ')} }`
}

interface Range {
  readonly family: Family
  readonly text: string
  readonly prefix: number
  readonly address: ipaddr.IPv4 | ipaddr.IPv6
}

/** Written anew: no text of a request gets into a rule set. */
function parseRange(text: string): Range {
  const [address, prefix] = ipaddr.parseCIDR(text)
  const family = address.kind() === 'ipv4' ? 'ip' : 'ip6'
  return { family, text: `${address.toString()}/${prefix}`, prefix, address }
}

const contains = (outer: Range, inner: Range): boolean =>
  outer.prefix <= inner.prefix && inner.address.match(outer.address, outer.prefix)

function renderProtocol({ id, protocol, ports }: FirewallRule): string {
  switch (protocol) {
    case FirewallProtocol.ALL:
      return ''
    case FirewallProtocol.ICMP:
      // By numbers: nft knows the names of only some, where /etc/protocols is missing.
      return 'meta l4proto { 1, 58 }'
    case FirewallProtocol.TCP:
    case FirewallProtocol.UDP: {
      const isTcp = protocol === FirewallProtocol.TCP
      if (ports.length === 0) return `meta l4proto ${isTcp ? 6 : 17}`
      return `${isTcp ? 'tcp' : 'udp'} dport { ${mergePorts(ports).join(', ')} }`
    }
    default:
      // Of a newer scheduler. What it allows is not known, and nothing else may be allowed in its place.
      throw new Error(`The firewall rule ${id} has a protocol that this agent does not know.`)
  }
}

/** Overlapping ranges as one. */
function mergePorts(ports: FirewallRule['ports']): readonly string[] {
  const merged: { first: number; last: number }[] = []
  for (const { first, last } of ports.toSorted((a, b) => a.first - b.first)) {
    const before = merged.at(-1)
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last)
    else merged.push({ first, last })
  }
  return merged.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`))
}

import { filterTableName } from './names.ts'
import { type Ipv6Identity, readable, renderIpv6Rules } from './nft-ipv6.ts'
import { renderIngressLimit } from './rate-limit.ts'

/** Who a guest's port may claim to be. */
export interface PortIdentity {
  readonly tap: string
  readonly macAddress: string
  readonly ipv4Address: string
  /** Empty for a guest that has none: then it sends no IPv6 at all. */
  readonly ipv6Address: string
  /** What it may send; no limit where absent or 0. */
  readonly networkMbps?: number
}

/**
 * The filter of one tap, for `nft -f -`: what a guest sends as somebody else ends at its tap, so that guests on one
 * host are held apart as well as guests on different hosts. Stateless, and deny by default: VLAN tags and every
 * protocol that no rule names are dropped.
 *
 * The table is declared, deleted and made in one transaction: loading twice leaves one, and no packet passes between.
 */
export function renderNftRuleset(port: PortIdentity): string {
  const tap = checked('tap', /^[a-z][a-z0-9-]{0,14}$/, port.tap)
  const mac = checked('MAC address', /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, port.macAddress.toLowerCase())
  const ipv4 = checked('IPv4 address', /^\d{1,3}(\.\d{1,3}){3}$/, port.ipv4Address)
  const table = `table netdev ${filterTableName(tap)}`
  const ipv6 = port.ipv6Address
  // The client's hardware address inside a DHCP message, 36 bytes after the UDP header begins: without it a guest
  // could ask for, or release, another guest's lease.
  const dhcpClient = `@th,288,48 0x${mac.replaceAll(':', '')}`
  return [
    table,
    `delete ${table}`,
    `${table} {`,
    '  chain ingress {',
    `    type filter hook ingress device "${tap}" priority 0; policy drop;`,
    ...renderIngressLimit(port.networkMbps ?? 0).map((rule) => `    ${rule}`),
    `    ether saddr != ${mac} drop`,
    // Reads the outermost type: behind a VLAN tag the kernel's own notion of the protocol is the inner one.
    `    ether type != { ${ipv6 === '' ? 'ip, arp' : 'ip, arp, ip6'} } drop`,
    ...(ipv6 === '' ? [] : ['    ether type ip6 goto ipv6']),
    `    arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation { request, reply } arp saddr ether ${mac} arp saddr ip ${ipv4} accept`,
    // An address probe (RFC 5227) comes from nobody yet; one of another's address would keep its owner from it.
    `    arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation request arp saddr ether ${mac} arp saddr ip 0.0.0.0 arp daddr ip ${ipv4} accept`,
    `    ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 ${dhcpClient} accept`,
    `    ip saddr != ${ipv4} drop`,
    ...renderIpv4Roles(),
    `    ip saddr ${ipv4} udp dport 67 ${dhcpClient} accept`,
    // Also a first fragment too short to show whose lease it is about.
    '    udp dport 67 drop',
    `    ip saddr ${ipv4} ${readable} accept`,
    '  }',
    ...(ipv6 === '' ? [] : renderIpv6Chain({ macAddress: mac, ipv6Address: ipv6 })),
    '}',
    '',
  ].join('\n')
}

/** What only routers and servers say, and no guest is either. */
export const renderIpv4Roles = (): readonly string[] => [
  // Clients look at the port that they are called on, and not at the caller's.
  '    udp sport 67 drop',
  '    udp dport 68 drop',
  '    icmp type { redirect, router-advertisement } drop',
  // Answers to a source route come by whom the sender names.
  '    ip option lsrr exists drop',
  '    ip option ssrr exists drop',
  // An authentication header (51) hides the ports.
  '    ip protocol 51 drop',
]

const renderIpv6Chain = (identity: Ipv6Identity) => [
  '  chain ipv6 {',
  ...renderIpv6Rules(identity).map((rule) => `    ${rule}`),
  '  }',
]

/** Removes the filter whether or not it is there. */
export function renderNftRemoval(tap: string): string {
  const table = `table netdev ${filterTableName(checked('tap', /^[a-z][a-z0-9-]{0,14}$/, tap))}`
  return `${table}\ndelete ${table}\n`
}

function checked(what: string, pattern: RegExp, value: string): string {
  if (!pattern.test(value)) throw new Error(`'${value}' is no ${what}: no filter can be made of it.`)
  return value
}

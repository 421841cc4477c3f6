import type { Network } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { metadataAddress } from './dnsmasq-config.ts'
import { hasGateway } from './gateway.ts'
import { filterTableName, uplinkPortName } from './names.ts'
import { hidingHeaders, linkLocalOf, readable, toHex } from './nft-ipv6.ts'
import { type PortIdentity, renderIpv4Roles } from './nft-ruleset.ts'

/** Who the host's own guests and services are: nobody outside is one of them. */
const setTypes = {
  macs: 'type ether_addr;',
  ipv4: 'type ipv4_addr;',
  ipv6: 'type ipv6_addr;',
  // Addresses and MACs as neighbour discovery has them in its payload, of which nft 1.0.6 knows no name.
  targets: 'typeof @th,64,128;',
  links: 'typeof @th,208,48;',
} as const
/** Addresses that are never anybody's who sends. */
const nobodysIpv4 = '0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/3'
const nobodysIpv6 = '::1, ::ffff:0:0/96, ff00::/8'
const neighbours = '{ nd-neighbor-solicit, nd-neighbor-advert }'
const setNames = Object.keys(setTypes) as (keyof typeof setTypes)[]

/** What a guest of this host alone may call itself. */
export type GuestIdentity = Omit<PortIdentity, 'tap' | 'networkMbps'>

/**
 * The filter of a network's port to its VLAN, for `nft -f -`: what comes from there as one of this host's guests, as
 * the network's services, or as a router's or DHCP server's word ends here. Guests of other hosts are filtered at
 * their taps; this holds against whatever else is plugged into the VLAN.
 */
export function renderUplinkRuleset(network: Network, members: readonly GuestIdentity[]): string {
  const port = uplinkPortName(network.uid)
  const table = filterTableName(port)
  const identities = [servicesOf(network), ...members.map(elementsOf)]
  return [
    `table netdev ${table}`,
    `delete table netdev ${table}`,
    `table netdev ${table} {`,
    ...renderSets(identities),
    '  chain ingress {',
    `    type filter hook ingress device "${port}" priority 0; policy drop;`,
    '    ether saddr { 00:00:00:00:00:00, ff:ff:ff:ff:ff:ff } drop',
    '    ether saddr @macs drop',
    // Also a second VLAN tag, and what switches say to each other.
    '    ether type != { ip, arp, ip6 } drop',
    '    ether type arp goto arps',
    '    ether type ip6 goto ipv6',
    `    ip saddr { ${nobodysIpv4} } drop`,
    '    ip saddr @ipv4 drop',
    ...renderIpv4Roles(),
    // Each host has DHCP of its own.
    '    udp dport 67 drop',
    `    ether type ip ${readable} accept`,
    '  }',
    '  chain arps {',
    '    arp saddr ip 255.255.255.255 drop',
    '    arp saddr ip @ipv4 drop',
    '    arp saddr ether 00:00:00:00:00:00 drop',
    '    arp saddr ether & 01:00:00:00:00:00 != 00:00:00:00:00:00 drop',
    '    arp saddr ether @macs drop',
    // A probe of somebody who wants the address would keep its owner from it.
    '    arp saddr ip 0.0.0.0 arp daddr ip @ipv4 drop',
    '    arp saddr ip 0.0.0.0 arp operation != request drop',
    '    arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation { request, reply } accept',
    '  }',
    '  chain ipv6 {',
    `    ip6 saddr { ${nobodysIpv6} } drop`,
    '    ip6 saddr @ipv6 drop',
    `    ip6 nexthdr { ${hidingHeaders} } drop`,
    `    frag nexthdr { ${hidingHeaders}, 44 } drop`,
    // Neighbour discovery never comes in pieces, is never forwarded, and has one option at most.
    '    frag frag-off 0 icmpv6 type != { echo-request, echo-reply } drop',
    `    icmpv6 type ${neighbours} icmpv6 code != 0 drop`,
    `    icmpv6 type ${neighbours} ip6 hoplimit != 255 drop`,
    `    icmpv6 type ${neighbours} ip6 length != { 24, 32 } drop`,
    // Whose address it tells of, 8 bytes after the header begins, and whose MAC.
    '    icmpv6 type nd-neighbor-advert @th,64,128 @targets drop',
    '    ip6 saddr :: icmpv6 type nd-neighbor-solicit @th,64,128 @targets drop',
    `    icmpv6 type ${neighbours} ip6 length 32 @th,208,48 @links drop`,
    `    icmpv6 type ${neighbours} accept`,
    '    ip6 saddr :: drop',
    // Nobody here is a router to be asked, and none outside is believed.
    '    icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept',
    '    icmpv6 type { echo-request, echo-reply } accept',
    // A later piece of an echo shows no type; no piece of anything else of ICMPv6 comes this far.
    '    frag nexthdr 58 frag frag-off != 0 accept',
    '    meta l4proto 58 drop',
    // Each host has DHCP of its own.
    '    udp sport 547 drop',
    '    udp dport { 546, 547 } drop',
    `    ${readable} accept`,
    '  }',
    '}',
    '',
  ].join('\n')
}

/** Tells the filter of a guest of this host, or that it is one no more; may be repeated either way. */
export function renderUplinkMember(networkUid: string, member: GuestIdentity, isMember: boolean): string {
  const table = filterTableName(uplinkPortName(networkUid))
  const elements = elementsOf(member)
  const lines = setNames.flatMap((name) =>
    elements[name].map((value) => `element netdev ${table} ${name} { ${value} }`),
  )
  if (isMember) return `${lines.map((line) => `add ${line}`).join('\n')}\n`
  return [
    // What is not there can't be taken away: neither a member, nor one of a filter that somebody has flushed.
    `table netdev ${table} {`,
    ...renderSets([]),
    '}',
    ...lines.map((line) => `add ${line}`),
    ...lines.map((line) => `delete ${line}`),
    '',
  ].join('\n')
}

export function renderUplinkRemoval(networkUid: string): string {
  const table = `table netdev ${filterTableName(uplinkPortName(networkUid))}`
  return `${table}\ndelete ${table}\n`
}

const renderSets = (identities: readonly Elements[]) =>
  setNames.map((name) => {
    const elements = identities.flatMap((identity) => identity[name])
    const held = elements.length === 0 ? '' : ` elements = { ${elements.join(', ')} };`
    return `  set ${name} { ${setTypes[name]}${held} }`
  })

type Elements = Readonly<Record<keyof typeof setTypes, readonly string[]>>

/** The services of every host have these, and none of them ever shows them outside. */
const servicesOf = (network: Network): Elements => {
  const { serviceMac, serviceIpv4, serviceIpv6, ipv4Gateway } = network
  const elements = elementsOf({ macAddress: serviceMac, ipv4Address: serviceIpv4, ipv6Address: serviceIpv6 })
  // A network without one of ours may have the operator's gateway outside.
  const gateway = hasGateway(network) ? [ipv4Gateway] : []
  return { ...elements, ipv4: [...elements.ipv4, metadataAddress, ...gateway] }
}

function elementsOf({ macAddress, ipv4Address, ipv6Address }: GuestIdentity): Elements {
  const ipv6 = ipv6Address === '' ? [] : [ipv6Address, linkLocalOf(macAddress)]
  const mac = macAddress.toLowerCase()
  return {
    macs: [mac],
    ipv4: [ipv4Address],
    ipv6,
    targets: ipv6.map(toHex),
    links: [`0x${mac.replaceAll(':', '')}`],
  }
}

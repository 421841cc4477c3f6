import type { Network } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { metadataAddress } from './dnsmasq-config.ts'
import { filterTableName, uplinkPortName } from './names.ts'
import { hidingHeaders, linkLocalOf, toHex } from './nft-ipv6.ts'
import type { PortIdentity } from './nft-ruleset.ts'

/** Who the host's own guests are: nobody outside is one of them. */
const setTypes = {
  macs: 'type ether_addr;',
  ipv4: 'type ipv4_addr;',
  ipv6: 'type ipv6_addr;',
  // Addresses as neighbour discovery has them in its payload, of which nft 1.0.6 knows no name.
  targets: 'typeof @th,64,128;',
} as const
const setNames = Object.keys(setTypes) as (keyof typeof setTypes)[]

/** What a guest of this host alone may call itself. */
export type GuestIdentity = Omit<PortIdentity, 'tap'>

/**
 * The filter of a network's port to its VLAN, for `nft -f -`: what comes from there as one of this host's guests, as
 * the network's services, or as a router's or DHCP server's word ends here. Guests of other hosts are filtered at
 * their taps; this holds against whatever else is plugged into the VLAN.
 */
export function renderUplinkRuleset(network: Network, members: readonly GuestIdentity[]): string {
  const port = uplinkPortName(network.uid)
  const table = filterTableName(port)
  const services = [network.serviceIpv4, metadataAddress].join(', ')
  const [mac, ip] = [network.serviceMac.toLowerCase(), network.serviceIpv6]
  return [
    `table netdev ${table}`,
    `delete table netdev ${table}`,
    `table netdev ${table} {`,
    ...setNames.map((name) => {
      const elements = members.flatMap((member) => elementsOf(member)[name])
      const held = elements.length === 0 ? '' : ` elements = { ${elements.join(', ')} };`
      return `  set ${name} { ${setTypes[name]}${held} }`
    }),
    '  chain ingress {',
    `    type filter hook ingress device "${port}" priority 0; policy drop;`,
    // The services of every host have this MAC, and none of them ever shows it outside.
    `    ether saddr { ${mac}, 00:00:00:00:00:00, ff:ff:ff:ff:ff:ff } drop`,
    '    ether saddr @macs drop',
    // Also a second VLAN tag, and what switches say to each other.
    '    ether type != { ip, arp, ip6 } drop',
    `    arp saddr ip { ${services} } drop`,
    '    arp saddr ip @ipv4 drop',
    '    ether type arp accept',
    `    ip saddr { ${services}, 0.0.0.0, 255.255.255.255 } drop`,
    '    ip saddr @ipv4 drop',
    '    udp sport 67 drop',
    '    icmp type redirect drop',
    '    ether type ip accept',
    ...(ip === '' ? [] : [`    ip6 saddr ${ip} drop`]),
    '    ip6 saddr @ipv6 drop',
    `    ip6 nexthdr { ${hidingHeaders} } drop`,
    `    frag nexthdr { ${hidingHeaders}, 44 } drop`,
    // Neighbour discovery never comes in pieces, and is never forwarded.
    '    frag frag-off 0 icmpv6 type != { echo-request, echo-reply } drop',
    '    icmpv6 type { nd-router-advert, nd-redirect } drop',
    '    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit != 255 drop',
    // Whose address it tells of, 8 bytes after the header begins.
    '    icmpv6 type nd-neighbor-advert @th,64,128 @targets drop',
    // A probe of somebody who wants the address would keep its owner from it.
    '    ip6 saddr :: icmpv6 type nd-neighbor-solicit @th,64,128 @targets drop',
    ...(ip === '' ? [] : [`    icmpv6 type nd-neighbor-advert @th,64,128 ${toHex(ip)} drop`]),
    '    udp sport 547 drop',
    '    ether type ip6 accept',
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
  return [
    // What is not there can't be taken away.
    ...lines.map((line) => `add ${line}`),
    ...(isMember ? [] : lines.map((line) => `delete ${line}`)),
    '',
  ].join('\n')
}

export function renderUplinkRemoval(networkUid: string): string {
  const table = `table netdev ${filterTableName(uplinkPortName(networkUid))}`
  return `${table}\ndelete ${table}\n`
}

function elementsOf({ macAddress, ipv4Address, ipv6Address }: GuestIdentity) {
  const ipv6 = ipv6Address === '' ? [] : [ipv6Address, linkLocalOf(macAddress)]
  return { macs: [macAddress.toLowerCase()], ipv4: [ipv4Address], ipv6, targets: ipv6.map(toHex) }
}

import ipaddr from 'ipaddr.js'

/** The guest's own addresses on one port. */
export interface Ipv6Identity {
  readonly macAddress: string
  readonly ipv6Address: string
}

/** Headers behind which others hide: hop-by-hop, routing, authentication, destination options, mobility, HIP, Shim6. */
export const hidingHeaders = '0, 43, 51, 60, 135, 139, 140'

/**
 * The kernel has found out the protocol of a packet. Where a header is cut short or its lengths are wrong it has not, and
 * rules that look for ports or types pass over it. 255 is no protocol.
 */
export const readable = 'meta l4proto != 255'

/**
 * The rules of a tap's filter for IPv6; the packet has come from the port's own MAC. Like those for IPv4 they know
 * nothing but the packet. A guest speaks from its address and from the link-local one that follows from its MAC; in
 * neighbour discovery it speaks of these two and of its own MAC only, and never as a router or DHCPv6 server.
 */
export function renderIpv6Rules({ macAddress, ipv6Address }: Ipv6Identity): readonly string[] {
  const own = [checkedIpv6(ipv6Address), linkLocalOf(macAddress)]
  const mac = `0x${macAddress.replaceAll(':', '')}`
  // 8 bytes after the ICMPv6 header begins is the address that is asked for, or told of.
  const aboutItself = own.map((address) => `@th,64,128 ${toHex(address)}`)
  // One option fills these 8 bytes: its type, its length of one unit, the MAC.
  const option = (type: '01' | '02') => `ip6 length 32 @th,192,16 0x${type}01 @th,208,48 ${mac} accept`
  const solicitation = 'icmpv6 type nd-neighbor-solicit icmpv6 code 0 ip6 hoplimit 255'
  const advertisement = 'icmpv6 type nd-neighbor-advert icmpv6 code 0 ip6 hoplimit 255'
  return [
    // Also behind a fragment header, which itself may stand once.
    `ip6 nexthdr { ${hidingHeaders} } drop`,
    `frag nexthdr { ${hidingHeaders}, 44 } drop`,
    // RFC 6980: neighbour discovery never comes in pieces, so the type is in sight in the first of them.
    'frag frag-off 0 icmpv6 type != { echo-request, echo-reply } drop',
    // An address probe comes from nobody yet, and with no MAC in it; a nonce (option 14) tells it from its own echo.
    ...aboutItself.flatMap((target) => [
      `ip6 saddr :: ip6 length 24 ${solicitation} ${target} accept`,
      `ip6 saddr :: ip6 length 32 ${solicitation} ${target} @th,192,16 0x0e01 accept`,
    ]),
    `ip6 saddr != { ${own.join(', ')} } drop`,
    `${solicitation} ip6 length 24 accept`,
    `${solicitation} ${option('01')}`,
    // 32 bits in are the flags, the first of which says that a router speaks.
    ...aboutItself.flatMap((target) => [
      `${advertisement} @th,32,1 0 ${target} ip6 length 24 accept`,
      `${advertisement} @th,32,1 0 ${target} ${option('02')}`,
    ]),
    `icmpv6 type nd-router-solicit icmpv6 code 0 ip6 hoplimit 255 ip6 length 8 accept`,
    // Its option stands 8 bytes in, where a neighbour solicitation has the address.
    `icmpv6 type nd-router-solicit icmpv6 code 0 ip6 hoplimit 255 ip6 length 16 @th,64,16 0x0101 @th,80,48 ${mac} accept`,
    'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept',
    'icmpv6 type { echo-request, echo-reply } accept',
    // A later piece of an echo shows no type; no piece of anything else of ICMPv6 comes this far.
    'frag nexthdr 58 frag frag-off != 0 accept',
    // By its number: not every host has /etc/protocols.
    'meta l4proto 58 drop',
    // Clients look at the port that they are called on, and not at the caller's.
    'udp sport 547 drop',
    'udp dport 546 drop',
    `${readable} accept`,
  ]
}

/** fe80:: with the interface identifier that RFC 4291 makes of the MAC. */
export function linkLocalOf(macAddress: string): string {
  const bytes = macAddress.split(':').map((part) => Number.parseInt(part, 16))
  const [first = 0, second = 0, third = 0, ...rest] = bytes
  const identifier = [first ^ 2, second, third, 0xff, 0xfe, ...rest]
  return new ipaddr.IPv6([0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...identifier]).toString()
}

function checkedIpv6(text: string): string {
  if (!ipaddr.IPv6.isValid(text) || /[^0-9a-f:]/i.test(text)) {
    throw new Error(`'${text}' is no IPv6 address: no filter can be made of it.`)
  }
  return ipaddr.IPv6.parse(text).toString()
}

/** As a number, for bytes that nft knows no name of. */
export const toHex = (address: string) =>
  `0x${ipaddr.IPv6.parse(address)
    .toByteArray()
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')}`

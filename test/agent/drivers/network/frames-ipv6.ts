// IPv6 frames that a guest may send, and such as it could forge.
import { linkLocalOf } from '../../../../agent/plan/nft-ipv6.ts'
import { type Cast, type Kind, udp, under } from './frames.ts'
import { forgedNeighbours } from './frames-neighbours.ts'
import {
  authentication,
  extension,
  first,
  fragment,
  icmp,
  later,
  next,
  routing,
  speak,
  whole,
} from './packets-ipv6.ts'

const ports = (from: number, to: number, payload = '') => udp({ from, to, payload })

export function honestIpv6({ own: { mac, ip6: ip }, other }: Cast): Kind[] {
  const link = linkLocalOf(mac)
  const { frame, neighbour, datagram, piece } = speak(mac, ip)
  const to = other.ip6
  const message = (type: number) => (marker: string) =>
    frame({ to, header: next.icmp, payload: icmp({ type }) + marker })
  return under('IPv6', [
    ['UDP from its address', datagram(ip, to)],
    ['UDP from its link-local address', datagram(link, to)],
    ['TCP', (marker) => frame({ to, header: next.tcp, payload: `13881388${'00'.repeat(16)}${marker}` })],
    ['an echo request', message(128)],
    ['an echo reply', message(129)],
    ['packet too big', message(2)],
    ['a probe of its address', neighbour('::', { type: 135, target: ip })],
    ['a probe with a nonce', neighbour('::', { type: 135, target: ip, option: [14, mac] })],
    ['a probe of its link-local address', neighbour('::', { type: 135, target: link })],
    ['a solicitation with its MAC', neighbour(ip, { type: 135, target: to, option: [1, mac] })],
    ['a solicitation without', neighbour(link, { type: 135, target: to })],
    [
      'an advertisement of its address',
      neighbour(ip, { type: 136, target: ip, flags: '60000000', option: [2, mac] }),
    ],
    [
      'an advertisement of its link-local one',
      neighbour(link, { type: 136, target: link, flags: '40000000' }),
    ],
    ['a router solicitation', neighbour(link, { type: 133, option: [1, mac] })],
    ['a router solicitation without its MAC', neighbour(ip, { type: 133 })],
    [
      'DHCPv6 as a client',
      (marker) => frame({ from: link, to: 'ff02::1:2', header: next.udp, payload: ports(546, 547, marker) }),
    ],
    ['the first piece of a datagram', piece(ip, next.udp, first, ports(5000, 5000))],
    ['a later piece of it', piece(ip, next.udp, later, '')],
    ['the first piece of an echo', piece(ip, next.icmp, first, icmp({ type: 128 }))],
    ['a later piece of that', piece(ip, next.icmp, later, '')],
  ])
}

export function forgedIpv6(cast: Cast): Kind[] {
  const { own, other, service } = cast
  const link = linkLocalOf(own.mac)
  const serviceLink = linkLocalOf(service.mac)
  const { frame, datagram, piece, behind } = speak(own.mac, own.ip6)
  const dhcp = (from: string, called: number, by: number) => (payload: string) =>
    frame({ from, header: next.udp, payload: ports(by, called, payload) })
  const router = { type: 134, target: '::' }
  return under('IPv6', [
    ['another MAC address', speak(other.mac, own.ip6).datagram(own.ip6)],
    ["another's address", datagram(other.ip6)],
    ["another's link-local address", datagram(linkLocalOf(other.mac))],
    ['an address of its own choice', datagram('fd5b:1::dead')],
    ['a link-local address of its own choice', datagram('fe80::1')],
    ['no address', datagram('::')],
    ['the loopback address', datagram('::1')],
    ['an address of many', datagram('ff02::1')],
    ['an IPv4 address inside', datagram('::ffff:10.77.0.12')],
    ['an address that IPv4 gives', datagram('2002:a4d:b::1')],
    ["the services' address", datagram(service.ip6)],
    ["the services' link-local address", datagram(serviceLink)],
    [
      "TCP from another's address",
      (marker) => {
        const payload = `13880050${'00'.repeat(16)}${marker}`
        return frame({ from: other.ip6, to: service.ip6, header: next.tcp, payload })
      },
    ],
    [
      'an echo in the name of another',
      (marker) => frame({ from: other.ip6, header: next.icmp, payload: icmp({ type: 128 }) + marker }),
    ],
    ["the first piece, from another's address", piece(other.ip6, next.udp, first, ports(5000, 5000))],
    ["a later piece, from another's address", piece(other.ip6, next.udp, later, '')],
    ...forgedNeighbours(cast),
    ['DHCPv6 as a server', dhcp(link, 546, 547)],
    ['DHCPv6 as a server from another port', dhcp(link, 546, 5000)],
    ['DHCPv6 as a relay', dhcp(link, 547, 547)],
    ['DHCPv6 as the services', dhcp(serviceLink, 546, 547)],
    ['DHCPv6 as a server, in pieces', piece(link, next.udp, first, ports(547, 546))],
    ['DHCPv6 as a server from another port, in pieces', piece(link, next.udp, first, ports(5000, 546))],
    ...(
      [
        ['hop-by-hop options', next.hopByHop, extension(next.icmp)],
        ['destination options', next.destination, extension(next.icmp)],
        ['a routing header', next.routing, routing(next.icmp)],
        ['a mobility header', next.mobility, extension(next.icmp)],
        ['a host identity', next.hostIdentity, extension(next.icmp)],
        ['a shim', next.shim, extension(next.icmp)],
        ['authentication', next.authentication, `${authentication(next.icmp, 2)}00000000`],
        ['options, in pieces', next.fragment, fragment(next.destination, first) + extension(next.icmp)],
      ] as const
    ).map(([what, header, before]): Kind => [`a router behind ${what}`, behind(header, before, router)]),
    ['a router that is a piece of itself', behind(next.fragment, fragment(next.icmp, whole), router)],
    ['a router in pieces', behind(next.fragment, fragment(next.icmp, first), router)],
    [
      'a router in a piece of a piece',
      behind(next.fragment, fragment(next.fragment, whole) + fragment(next.icmp, whole), router),
    ],
    ['a later piece of options', piece(own.ip6, next.destination, { offset: 1, more: false }, '')],
    [
      'the first piece of authentication',
      piece(link, next.authentication, first, authentication(next.icmp, 14).slice(0, 16)),
    ],
    [
      'a later piece of authentication',
      piece(link, next.authentication, { offset: 2, more: false }, icmp(router)),
    ],
  ])
}

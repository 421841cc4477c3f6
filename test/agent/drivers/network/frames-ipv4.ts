// IPv4 that a guest may send, and such as it could forge.
import { type Cast, ethernet, hex8, hex16, hexMac, type Kind, udp, under } from './frames.ts'

export const hexIp = (ip: string) =>
  ip
    .split('.')
    .map((part) => hex8(Number(part)))
    .join('')

function checksum(hex: string): string {
  let sum = 0
  for (let at = 0; at < hex.length; at += 4) sum += Number.parseInt(hex.slice(at, at + 4), 16)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return hex16(~sum & 0xffff)
}

interface Packet {
  readonly from: string
  readonly to: string
  readonly payload: string
  /** UDP where it is not given. */
  readonly protocol?: number
  /** Flags and offset. */
  readonly fragment?: number
  /** Whole words. */
  readonly options?: string
}

export function ipv4({ from, to, payload, protocol = 17, fragment = 0, options = '' }: Packet): string {
  const headerLength = 20 + options.length / 2
  const length = hex16(headerLength + payload.length / 2)
  const head = (sum: string) =>
    `4${(headerLength / 4).toString(16)}00${length}0001${hex16(fragment)}40${hex8(protocol)}${sum}${hexIp(from)}${hexIp(to)}${options}`
  return `${head(checksum(head('0000')))}${payload}`
}

/** A DHCP message as far as the client's hardware address goes, then the marker. */
const dhcp = (operation: '01' | '02', client: string, marker: string) =>
  `${operation}010600${'00'.repeat(24)}${hexMac(client)}${'00'.repeat(10)}${marker}`

const moreFragments = 0x2000
const protocols = { icmp: 1, ipip: 4, tcp: 6, gre: 47, authentication: 51, vrrp: 112 }

export function honestIpv4({ own, other, service }: Cast): Kind[] {
  const frame = (packet: Omit<Packet, 'from'> & { from?: string }) =>
    ethernet({ from: own.mac, type: '0800', payload: ipv4({ from: own.ip, ...packet }) })
  const to = other.ip
  const ask = (from: string, server: string) => (marker: string) =>
    frame({ from, to: server, payload: udp({ from: 68, to: 67, payload: dhcp('01', own.mac, marker) }) })
  return under('IPv4', [
    ['UDP from its address', (payload) => frame({ to, payload: udp({ from: 5000, to: 5000, payload }) })],
    [
      'TCP',
      (marker) => frame({ to, protocol: protocols.tcp, payload: `13881388${'00'.repeat(16)}${marker}` }),
    ],
    [
      'an echo request',
      (marker) => frame({ to, protocol: protocols.icmp, payload: `0800000000000000${marker}` }),
    ],
    [
      'word of an unreachable port',
      (marker) => frame({ to, protocol: protocols.icmp, payload: `0303000000000000${marker}` }),
    ],
    ['a tunnel', (marker) => frame({ to, protocol: protocols.gre, payload: `00000800${marker}` })],
    [
      'a packet in a packet of its own',
      (payload) =>
        frame({
          ...{ to, protocol: protocols.ipip },
          payload: ipv4({ from: '192.0.2.1', to: '192.0.2.2', payload: udp({ from: 1, to: 1, payload }) }),
        }),
    ],
    [
      'the first piece of a datagram',
      (payload) => frame({ to, fragment: moreFragments, payload: udp({ from: 5000, to: 5000, payload }) }),
    ],
    ['a later piece', (marker) => frame({ to, fragment: 3, payload: `00000000${marker}` })],
    [
      'IGMP',
      (marker) => frame({ to: '224.0.0.22', protocol: 2, options: '94040000', payload: `22000000${marker}` }),
    ],
    ['a DHCP discover', ask('0.0.0.0', '255.255.255.255')],
    ['a DHCP renewal', ask(own.ip, service.ip)],
  ])
}

export function forgedIpv4({ own, other, service }: Cast): Kind[] {
  const frame = (packet: Omit<Packet, 'from' | 'to'> & { from?: string; to?: string }) =>
    ethernet({ from: own.mac, type: '0800', payload: ipv4({ from: own.ip, to: other.ip, ...packet }) })
  const datagram =
    (from: string, fragment = 0) =>
    (payload: string) =>
      frame({ from, fragment, payload: udp({ from: 5000, to: 5000, payload }) })
  const segment = (marker: string) => `138800500000000000000000500210000000${'0000'}${marker}`
  const icmp = (type: string) => (marker: string) =>
    frame({ protocol: protocols.icmp, payload: `${type}000000${hexIp(own.ip)}${marker}` })
  const ask = (from: string, client: string, to: string) => (marker: string) =>
    frame({ from, to, payload: udp({ from: 68, to: 67, payload: dhcp('01', client, marker) }) })
  const offer =
    ({ from = own.ip, port = 67, fragment = 0 }: { from?: string; port?: number; fragment?: number }) =>
    (marker: string) =>
      frame({ from, fragment, payload: udp({ from: port, to: 68, payload: dhcp('02', other.mac, marker) }) })
  const routed = (option: '83' | '89') => (payload: string) =>
    frame({ options: `${option}0704${hexIp(service.ip)}00`, payload: udp({ from: 5000, to: 5000, payload }) })
  return under('IPv4', [
    ["another's address", datagram(other.ip)],
    [
      "another's address, TCP",
      (marker) =>
        frame({ from: other.ip, to: service.ip, protocol: protocols.tcp, payload: segment(marker) }),
    ],
    ["the first piece, from another's address", datagram(other.ip, moreFragments)],
    ["a later piece, from another's address", datagram(other.ip, 3)],
    ["the services' address", datagram(service.ip)],
    ['the metadata address', datagram('169.254.169.254')],
    ['a link-local address', datagram('169.254.7.7')],
    ['an address of its own choice', datagram('192.0.2.77')],
    ["the network's own address", datagram('10.77.0.0')],
    ['no address', datagram('0.0.0.0')],
    ["everybody's address", datagram('255.255.255.255')],
    ['an address of many', datagram('224.0.0.1')],
    ['a loopback address', datagram('127.0.0.1')],
    [
      'an echo in the name of another',
      (marker) =>
        frame({
          from: other.ip,
          to: '255.255.255.255',
          protocol: protocols.icmp,
          payload: `0800000000000000${marker}`,
        }),
    ],
    [
      'a tunnel in the name of another',
      (marker) => frame({ from: other.ip, protocol: protocols.gre, payload: `00000800${marker}` }),
    ],
    [
      'a virtual router in the name of the services',
      (marker) =>
        frame({
          from: service.ip,
          to: '224.0.0.18',
          protocol: protocols.vrrp,
          payload: `2101ff0100010000${marker}`,
        }),
    ],
    ['a redirect', icmp('05')],
    ['a router advertisement', icmp('09')],
    ['a loose source route', routed('83')],
    ['a strict source route', routed('89')],
    ['DHCP as a server', offer({})],
    ['DHCP as a server from another port', offer({ port: 5000 })],
    ['DHCP as a server, in pieces', offer({ fragment: moreFragments })],
    [
      'DHCP as a server behind authentication',
      (payload) =>
        frame({
          protocol: protocols.authentication,
          payload: `110200000000000100000001${udp({ from: 67, to: 68, payload })}`,
        }),
    ],
    ['DHCP as the services', offer({ from: service.ip })],
    ['DHCP as a server without an address', offer({ from: '0.0.0.0' })],
    ["DHCP for another's lease", ask('0.0.0.0', other.mac, '255.255.255.255')],
    ["DHCP against another's lease", ask(own.ip, other.mac, service.ip)],
    [
      'DHCP too short to say for whom',
      (marker) => frame({ fragment: moreFragments, payload: udp({ from: 68, to: 67, payload: marker }) }),
    ],
    ['DHCP from afar', ask('192.0.2.77', own.mac, '255.255.255.255')],
  ])
}

// IPv6 frames that a guest may send, and such as it could forge. Checksums are left at 0: no filter looks at them, and
// frames are caught before a kernel does.
import ipaddr from 'ipaddr.js'
import { linkLocalOf } from '../../../../agent/plan/nft-ipv6.ts'
import { ethernet, hex16, hexMac, type NamedFrame, nameFrames, udp } from './frames.ts'

export interface Ipv6Station {
  readonly mac: string
  readonly ip: string
}

const hexIp = (ip: string) => Buffer.from(ipaddr.IPv6.parse(ip).toByteArray()).toString('hex')
const hex8 = (value: number) => value.toString(16).padStart(2, '0')
const next = { hopByHop: 0, udp: 17, routing: 43, fragment: 44, icmp: 58, destination: 60, mobility: 135 }
const allNodes = 'ff02::1'

interface Packet {
  readonly from: string
  readonly to?: string
  readonly header: number
  readonly hops?: number
  readonly payload: string
  /** Of the payload, in bytes: what follows is filling of the frame. */
  readonly length?: number
}

const ipv6 = ({ from, to = allNodes, header, hops = 255, payload, length }: Packet) =>
  `60000000${hex16(length ?? payload.length / 2)}${hex8(header)}${hex8(hops)}${hexIp(from)}${hexIp(to)}${payload}`

/** An extension header of 8 bytes, padded by PadN. */
const extension = (following: number) => `${hex8(following)}00010400000000`
const routing = (following: number) => `${hex8(following)}00040000000000`
const fragment = (following: number, at: { offset: number; more: boolean }) =>
  `${hex8(following)}00${hex16((at.offset << 3) | (at.more ? 1 : 0))}0000be57`

interface Neighbour {
  readonly type: number
  readonly target?: string
  readonly flags?: string
  readonly code?: string
  /** Type of the link-layer option and the MAC in it. */
  readonly option?: readonly [type: number, mac: string]
}

function icmp({ type, target, flags = '00000000', code = '00', option }: Neighbour): string {
  const address = target === undefined ? '' : hexIp(target)
  const link = option === undefined ? '' : `${hex8(option[0])}01${hexMac(option[1])}`
  return `${hex8(type)}${code}0000${flags}${address}${link}`
}

/** By the flow label: where the host's own firewall sees bridged packets, it cuts off what follows a packet's end. */
const labelled = (...named: Parameters<typeof nameFrames>): NamedFrame[] =>
  nameFrames(...named).map(({ what, hex, marker }) => {
    const label = `86dd600b${marker.slice(4, 8)}`
    return { what, hex: hex.replace('86dd60000000', label), marker: label }
  })

export function honestIpv6Frames({ mac, ip }: Ipv6Station, other: Ipv6Station): NamedFrame[] {
  const link = linkLocalOf(mac)
  const frame = (packet: Omit<Packet, 'from'> & { from?: string }) =>
    ethernet({ from: mac, type: '86dd', payload: ipv6({ from: ip, ...packet }) })
  const neighbour = (from: string, words: Neighbour) => (marker: string) => {
    const payload = icmp(words)
    return frame({ from, header: next.icmp, payload: payload + marker, length: payload.length / 2 })
  }
  const datagram = (from: string) => (marker: string) =>
    frame({ from, to: other.ip, header: next.udp, payload: udp({ from: 5000, to: 5000, payload: marker }) })
  return labelled(
    [
      ['UDP from its address', datagram(ip)],
      ['UDP from its link-local address', datagram(link)],
      ['TCP', (marker) => frame({ header: 6, payload: `13881388${'00'.repeat(16)}${marker}` })],
      ['an echo request', (marker) => frame({ header: next.icmp, payload: icmp({ type: 128 }) + marker })],
      ['an echo reply', (marker) => frame({ header: next.icmp, payload: icmp({ type: 129 }) + marker })],
      ['packet too big', (marker) => frame({ header: next.icmp, payload: icmp({ type: 2 }) + marker })],
      ['a probe of its address', neighbour('::', { type: 135, target: ip })],
      ['a probe of its link-local address', neighbour('::', { type: 135, target: link })],
      ['a solicitation with its MAC', neighbour(ip, { type: 135, target: other.ip, option: [1, mac] })],
      ['a solicitation without', neighbour(link, { type: 135, target: other.ip })],
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
        (marker) =>
          frame({
            ...{ from: link, to: 'ff02::1:2', header: next.udp },
            payload: udp({ from: 546, to: 547, payload: marker }),
          }),
      ],
      [
        'the first piece of a datagram',
        (marker) =>
          frame({
            header: next.fragment,
            payload:
              fragment(next.udp, { offset: 0, more: true }) + udp({ from: 5000, to: 5000, payload: marker }),
          }),
      ],
      [
        'a later piece of it',
        (marker) =>
          frame({
            header: next.fragment,
            payload: fragment(next.udp, { offset: 185, more: false }) + marker,
          }),
      ],
      [
        'the first piece of an echo',
        (marker) =>
          frame({
            header: next.fragment,
            payload: fragment(next.icmp, { offset: 0, more: true }) + icmp({ type: 128 }) + marker,
          }),
      ],
      [
        'a later piece of that',
        (marker) =>
          frame({
            header: next.fragment,
            payload: fragment(next.icmp, { offset: 185, more: false }) + marker,
          }),
      ],
    ],
    300,
  )
}

export function forgedIpv6Frames({ mac, ip }: Ipv6Station, other: Ipv6Station): NamedFrame[] {
  const link = linkLocalOf(mac)
  const frame = (packet: Omit<Packet, 'from'> & { from?: string; source?: string }) =>
    ethernet({ from: packet.source ?? mac, type: '86dd', payload: ipv6({ from: ip, ...packet }) })
  const neighbour = (from: string, words: Neighbour, hops?: number) => (marker: string) => {
    const payload = icmp(words)
    const size = { length: payload.length / 2, ...(hops === undefined ? {} : { hops }) }
    return frame({ from, header: next.icmp, payload: payload + marker, ...size })
  }
  const datagram =
    (from: string, source = mac) =>
    (marker: string) =>
      frame({ from, source, header: next.udp, payload: udp({ from: 5000, to: 5000, payload: marker }) })
  const behind = (header: number, before: string, words: Neighbour) => (marker: string) =>
    frame({ header, payload: before + icmp(words) + marker })
  const routerAdvertisement: Neighbour = { type: 134, target: '::' }
  return labelled(
    [
      ['another MAC address', datagram(ip, other.mac)],
      ["another's address", datagram(other.ip)],
      ["another's link-local address", datagram(linkLocalOf(other.mac))],
      ['an address of its own choice', datagram('fd5b:1::dead')],
      ['a link-local address of its own choice', datagram('fe80::1')],
      ['no address', datagram('::')],
      ['an IPv4 address inside', datagram('::ffff:10.77.0.12')],
      ["a probe of another's address", neighbour('::', { type: 135, target: other.ip })],
      ['a probe with a MAC in it', neighbour('::', { type: 135, target: ip, option: [1, mac] })],
      ['a probe from afar', neighbour('::', { type: 135, target: ip }, 64)],
      [
        "a solicitation with another's MAC",
        neighbour(ip, { type: 135, target: other.ip, option: [1, other.mac] }),
      ],
      ['a solicitation from afar', neighbour(ip, { type: 135, target: other.ip, option: [1, mac] }, 64)],
      ['a solicitation with the wrong option', neighbour(ip, { type: 135, target: ip, option: [2, mac] })],
      [
        "an advertisement of another's address",
        neighbour(ip, { type: 136, target: other.ip, flags: '20000000', option: [2, mac] }),
      ],
      [
        "an advertisement with another's MAC",
        neighbour(ip, { type: 136, target: ip, flags: '20000000', option: [2, other.mac] }),
      ],
      [
        "an advertisement from another's address",
        neighbour(other.ip, { type: 136, target: ip, flags: '20000000', option: [2, mac] }),
      ],
      ['an advertisement as a router', neighbour(ip, { type: 136, target: ip, flags: 'a0000000' })],
      ['an advertisement from afar', neighbour(ip, { type: 136, target: ip }, 1)],
      ['an advertisement of a code', neighbour(ip, { type: 136, target: ip, code: '01' })],
      ['a router advertisement', neighbour(link, routerAdvertisement)],
      ["a router advertisement from another's address", neighbour('fe80::1', routerAdvertisement)],
      ['a redirect', neighbour(link, { type: 137, target: other.ip })],
      ["a router solicitation with another's MAC", neighbour(link, { type: 133, option: [1, other.mac] })],
      ['a question of a multicast router', neighbour(link, { type: 130, target: '::' })],
      ['a node information query', neighbour(link, { type: 139, target: '::' })],
      ['a certification path', neighbour(link, { type: 149, target: '::' })],
      [
        'DHCPv6 as a server',
        (marker) =>
          frame({ from: link, header: next.udp, payload: udp({ from: 547, to: 546, payload: marker }) }),
      ],
      [
        'DHCPv6 as a server, in pieces',
        (marker) =>
          frame({
            from: link,
            header: next.fragment,
            payload:
              fragment(next.udp, { offset: 0, more: true }) + udp({ from: 547, to: 546, payload: marker }),
          }),
      ],
      [
        'a router advertisement behind hop-by-hop options',
        behind(next.hopByHop, extension(next.icmp), routerAdvertisement),
      ],
      [
        'a router advertisement behind destination options',
        behind(next.destination, extension(next.icmp), routerAdvertisement),
      ],
      [
        'a router advertisement behind a routing header',
        behind(next.routing, routing(next.icmp), routerAdvertisement),
      ],
      [
        'a router advertisement behind a mobility header',
        behind(next.mobility, extension(next.icmp), routerAdvertisement),
      ],
      [
        'a router advertisement that is a piece of itself',
        behind(next.fragment, fragment(next.icmp, { offset: 0, more: false }), routerAdvertisement),
      ],
      [
        'a router advertisement in pieces',
        behind(next.fragment, fragment(next.icmp, { offset: 0, more: true }), routerAdvertisement),
      ],
      [
        'a router advertisement behind options, in pieces',
        behind(
          next.fragment,
          fragment(next.destination, { offset: 0, more: true }) + extension(next.icmp),
          routerAdvertisement,
        ),
      ],
      [
        'a later piece of options',
        (marker) =>
          frame({
            header: next.fragment,
            payload: fragment(next.destination, { offset: 1, more: false }) + marker,
          }),
      ],
      [
        'a piece of a piece',
        behind(
          next.fragment,
          fragment(next.fragment, { offset: 0, more: false }) +
            fragment(next.icmp, { offset: 0, more: false }),
          routerAdvertisement,
        ),
      ],
      [
        'an advertisement in pieces',
        behind(next.fragment, fragment(next.icmp, { offset: 0, more: true }), { type: 136, target: ip }),
      ],
    ],
    400,
  )
}

// ARP that a guest may send, and such as it could forge.
import { broadcast, type Cast, ethernet, hex16, hexMac, type Kind, under } from './frames.ts'
import { hexIp } from './frames-ipv4.ts'

interface Arp {
  readonly operation: number
  readonly mac: string
  readonly ip: string
  readonly target: string
  readonly targetMac?: string
  /** Hardware type, protocol and their lengths: Ethernet and IPv4 where it is not given. */
  readonly kinds?: string
}

const nobody = '00:00:00:00:00:00'

const arp = (packet: Arp) =>
  [
    packet.kinds ?? '000108000604',
    hex16(packet.operation),
    `${hexMac(packet.mac)}${hexIp(packet.ip)}`,
    `${hexMac(packet.targetMac ?? nobody)}${hexIp(packet.target)}`,
  ].join('')

const arpFrom =
  (from: string) =>
  (packet: Arp, to = broadcast) =>
  (marker: string) =>
    ethernet({ from, to, type: '0806', payload: arp(packet) + marker })

export function honestArp({ own, other }: Cast): Kind[] {
  const frame = arpFrom(own.mac)
  const { mac, ip } = own
  return [
    ['an ARP request', frame({ operation: 1, mac, ip, target: other.ip })],
    ['an ARP reply', frame({ operation: 2, mac, ip, target: other.ip, targetMac: other.mac })],
    ['an ARP reply to one', frame({ operation: 2, mac, ip, target: other.ip }, other.mac)],
    ['an ARP probe', frame({ operation: 1, mac, ip: '0.0.0.0', target: ip })],
    ['an ARP announcement', frame({ operation: 1, mac, ip, target: ip })],
    ['an ARP announcement as a reply', frame({ operation: 2, mac, ip, target: ip, targetMac: broadcast })],
  ]
}

export function forgedArp({ own, other, service }: Cast): Kind[] {
  const frame = arpFrom(own.mac)
  const { mac, ip } = own
  const [request, reply] = [1, 2]
  return under('ARP', [
    ["a reply for another's address", frame({ operation: reply, mac, ip: other.ip, target: ip })],
    [
      "a reply for another's address to one",
      frame({ operation: reply, mac, ip: other.ip, target: ip }, other.mac),
    ],
    ["a request from another's address", frame({ operation: request, mac, ip: other.ip, target: ip })],
    [
      "an announcement of another's address",
      frame({ operation: request, mac, ip: other.ip, target: other.ip }),
    ],
    [
      "an announcement of another's address as a reply",
      frame({ operation: reply, mac, ip: other.ip, target: other.ip, targetMac: broadcast }),
    ],
    ["a probe of another's address", frame({ operation: request, mac, ip: '0.0.0.0', target: other.ip })],
    ["a reply for the services' address", frame({ operation: reply, mac, ip: service.ip, target: other.ip })],
    [
      'a reply for the metadata address',
      frame({ operation: reply, mac, ip: '169.254.169.254', target: other.ip }),
    ],
    ["another's MAC inside", frame({ operation: reply, mac: other.mac, ip, target: other.ip })],
    ["the services' MAC inside", frame({ operation: reply, mac: service.mac, ip, target: other.ip })],
    ['a MAC of many inside', frame({ operation: reply, mac: '01:00:5e:00:00:01', ip, target: other.ip })],
    ["everybody's MAC inside", frame({ operation: reply, mac: broadcast, ip, target: other.ip })],
    ['no MAC inside', frame({ operation: reply, mac: nobody, ip, target: other.ip })],
    [
      'a whole reply of another',
      arpFrom(other.mac)({ operation: reply, mac: other.mac, ip: other.ip, target: ip }),
    ],
    ['a reply from nobody', frame({ operation: reply, mac, ip: '0.0.0.0', target: other.ip })],
    ['a reply from everybody', frame({ operation: reply, mac, ip: '255.255.255.255', target: other.ip })],
    ['an operation that is none', frame({ operation: 9, mac, ip, target: other.ip })],
    ['a reverse request', frame({ operation: 3, mac, ip, target: other.ip })],
    [
      'a hardware that is not Ethernet',
      frame({ operation: reply, mac, ip: other.ip, target: ip, kinds: '000608000604' }),
    ],
    [
      'a protocol that is not IPv4',
      frame({ operation: reply, mac, ip: other.ip, target: ip, kinds: '000186dd0604' }),
    ],
    [
      'lengths that hide the addresses',
      frame({ operation: reply, mac, ip: other.ip, target: ip, kinds: '000108000804' }),
    ],
  ])
}

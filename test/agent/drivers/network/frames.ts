// Frames that a guest may send, and frames that it could forge. Each ends with a marker of its own, by which it is
// recognised wherever it arrives, also with a VLAN tag taken off on the way.

export interface Station {
  readonly mac: string
  readonly ip: string
}

export interface NamedFrame {
  readonly what: string
  readonly hex: string
  readonly marker: string
}

const broadcast = 'ff:ff:ff:ff:ff:ff'
export const hexMac = (mac: string) => mac.replaceAll(':', '').toLowerCase()
const hexIp = (ip: string) =>
  ip
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('')
export const hex16 = (value: number) => value.toString(16).padStart(4, '0')

function checksum(hex: string): string {
  let sum = 0
  for (let at = 0; at < hex.length; at += 4) sum += Number.parseInt(hex.slice(at, at + 4), 16)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return hex16(~sum & 0xffff)
}

export function ethernet(frame: { from: string; type: string; payload: string }): string {
  return `${hexMac(broadcast)}${hexMac(frame.from)}${frame.type}${frame.payload}`
}

function ipv4(packet: { from: string; to: string; payload: string; fragment?: number }): string {
  const length = hex16(20 + packet.payload.length / 2)
  const head = (sum: string) =>
    `4500${length}0001${hex16(packet.fragment ?? 0)}4011${sum}${hexIp(packet.from)}${hexIp(packet.to)}`
  return `${head(checksum(head('0000')))}${packet.payload}`
}

export const udp = (datagram: { from: number; to: number; payload: string }) =>
  `${hex16(datagram.from)}${hex16(datagram.to)}${hex16(8 + datagram.payload.length / 2)}0000${datagram.payload}`

/** A DHCP message as far as the client's hardware address goes, then the marker. */
const dhcp = (operation: '01' | '02', client: string, marker: string) =>
  `${operation}010600${'00'.repeat(24)}${hexMac(client)}${'00'.repeat(10)}${marker}`

const arp = (packet: { operation: number; mac: string; ip: string; target: string; marker: string }) =>
  `000108000604${hex16(packet.operation)}${hexMac(packet.mac)}${hexIp(packet.ip)}000000000000${hexIp(packet.target)}${packet.marker}`

const markerOf = (index: number) => `be57${hex16(0xa000 + index)}be57${hex16(0xa000 + index)}`
export const nameFrames = (
  frames: readonly (readonly [string, (marker: string) => string])[],
  first: number,
): NamedFrame[] =>
  frames.map(([what, render], index) => {
    const marker = markerOf(first + index)
    return { what, marker, hex: render(marker).padEnd(120, '0') }
  })

export function honestFrames(own: Station, other: Station): NamedFrame[] {
  const { mac, ip } = own
  const ipFrame = (payload: string) => ethernet({ from: mac, type: '0800', payload })
  const arpFrame = (payload: string) => ethernet({ from: mac, type: '0806', payload })
  return nameFrames(
    [
      [
        'UDP from its address',
        (payload) =>
          ipFrame(ipv4({ from: ip, to: other.ip, payload: udp({ from: 5000, to: 5000, payload }) })),
      ],
      [
        'a later fragment',
        (payload) => ipFrame(ipv4({ from: ip, to: other.ip, fragment: 3, payload: `00000000${payload}` })),
      ],
      ['an ARP request', (marker) => arpFrame(arp({ operation: 1, mac, ip, target: other.ip, marker }))],
      ['an ARP reply', (marker) => arpFrame(arp({ operation: 2, mac, ip, target: other.ip, marker }))],
      ['an ARP probe', (marker) => arpFrame(arp({ operation: 1, mac, ip: '0.0.0.0', target: ip, marker }))],
      [
        'a DHCP discover',
        (marker) =>
          ipFrame(
            ipv4({
              from: '0.0.0.0',
              to: '255.255.255.255',
              payload: udp({ from: 68, to: 67, payload: dhcp('01', mac, marker) }),
            }),
          ),
      ],
      [
        'a DHCP renewal',
        (marker) =>
          ipFrame(
            ipv4({
              from: ip,
              to: other.ip,
              payload: udp({ from: 68, to: 67, payload: dhcp('01', mac, marker) }),
            }),
          ),
      ],
    ],
    0,
  )
}

export function forgedFrames(own: Station, other: Station): NamedFrame[] {
  const { mac, ip } = own
  const plain = (from: string, payload: string) =>
    ipv4({ from, to: other.ip, payload: udp({ from: 5000, to: 5000, payload }) })
  const ipFrame = (payload: string) => ethernet({ from: mac, type: '0800', payload })
  const arpFrame = (payload: string) => ethernet({ from: mac, type: '0806', payload })
  const dhcpFrame = (from: string, to: string, client: string, marker: string) =>
    ipFrame(ipv4({ from, to, payload: udp({ from: 68, to: 67, payload: dhcp('01', client, marker) }) }))
  return nameFrames(
    [
      [
        'another MAC address',
        (marker) => ethernet({ from: other.mac, type: '0800', payload: plain(ip, marker) }),
      ],
      ['another IPv4 address', (marker) => ipFrame(plain(other.ip, marker))],
      ['no IPv4 address', (marker) => ipFrame(plain('0.0.0.0', marker))],
      [
        "ARP for another's address",
        (marker) => arpFrame(arp({ operation: 2, mac, ip: other.ip, target: ip, marker })),
      ],
      [
        "ARP with another's MAC inside",
        (marker) => arpFrame(arp({ operation: 2, mac: other.mac, ip, target: other.ip, marker })),
      ],
      [
        'an ARP reply from nobody',
        (marker) => arpFrame(arp({ operation: 2, mac, ip: '0.0.0.0', target: other.ip, marker })),
      ],
      [
        'an ARP operation of its own making',
        (marker) => arpFrame(arp({ operation: 9, mac, ip, target: other.ip, marker })),
      ],
      [
        'a DHCP reply',
        (marker) =>
          ipFrame(
            ipv4({
              from: ip,
              to: other.ip,
              payload: udp({ from: 67, to: 68, payload: dhcp('02', other.mac, marker) }),
            }),
          ),
      ],
      [
        'a DHCP reply from the service address',
        (marker) =>
          ipFrame(
            ipv4({
              from: '10.77.0.2',
              to: other.ip,
              payload: udp({ from: 67, to: 68, payload: dhcp('02', other.mac, marker) }),
            }),
          ),
      ],
      [
        "a discover for another's lease",
        (marker) => dhcpFrame('0.0.0.0', '255.255.255.255', other.mac, marker),
      ],
      ["a release of another's lease", (marker) => dhcpFrame(ip, other.ip, other.mac, marker)],
      [
        'a DHCP fragment too short to say whose it is',
        (marker) =>
          ipFrame(
            ipv4({
              from: ip,
              to: other.ip,
              fragment: 0x2000,
              payload: udp({ from: 68, to: 67, payload: marker }),
            }),
          ),
      ],
      [
        'a VLAN tag',
        (marker) => ethernet({ from: mac, type: '81000005', payload: `0800${plain(ip, marker)}` }),
      ],
      [
        'a priority tag',
        (marker) => ethernet({ from: mac, type: '81000000', payload: `0800${plain(ip, marker)}` }),
      ],
      [
        'a provider VLAN tag',
        (marker) => ethernet({ from: mac, type: '88a80005', payload: `0800${plain(ip, marker)}` }),
      ],
      [
        'two VLAN tags',
        (marker) =>
          ethernet({ from: mac, type: '81000005', payload: `81000006${`0800${plain(ip, marker)}`}` }),
      ],
      [
        'IPv6',
        (marker) =>
          ethernet({
            from: mac,
            type: '86dd',
            payload: `6000000000083bff${'fe80'.padEnd(32, '1')}${'ff02'.padEnd(32, '0')}${marker}`,
          }),
      ],
      ['LLDP', (marker) => ethernet({ from: mac, type: '88cc', payload: marker })],
    ],
    100,
  )
}

// What frames are made of. Each frame carries a marker of its own, by which it is recognised wherever it arrives, also
// with a VLAN tag taken off on the way.

/** Who a port is, with both families. */
export interface Station {
  readonly mac: string
  readonly ip: string
  readonly ip6: string
}

/** The stations that a forger knows of. */
export interface Cast {
  /** Who really sends. */
  readonly own: Station
  /** Whom it plays. */
  readonly other: Station
  /** The network's metadata, DHCP and DNS. */
  readonly service: Station
}

/** A kind of frame, and how one of it is made around a marker. */
export type Kind = readonly [what: string, render: (marker: string) => string]

export interface NamedFrame {
  readonly what: string
  readonly hex: string
  readonly marker: string
}

export const broadcast = 'ff:ff:ff:ff:ff:ff'
export const hexMac = (mac: string) => mac.replaceAll(':', '').toLowerCase()
export const hex8 = (value: number) => value.toString(16).padStart(2, '0')
export const hex16 = (value: number) => value.toString(16).padStart(4, '0')

export function ethernet(frame: { from: string; to?: string; type: string; payload: string }): string {
  return `${hexMac(frame.to ?? broadcast)}${hexMac(frame.from)}${frame.type}${frame.payload}`
}

/** With VLAN tags, in hex, between the addresses and the type. */
export const withTags = (frame: string, tags: string) => `${frame.slice(0, 24)}${tags}${frame.slice(24)}`

export const udp = (datagram: { from: number; to: number; payload: string }) =>
  `${hex16(datagram.from)}${hex16(datagram.to)}${hex16(8 + datagram.payload.length / 2)}0000${datagram.payload}`

export const under = (family: string, kinds: readonly Kind[]): Kind[] =>
  kinds.map(([what, render]) => [`${family}: ${what}`, render])

/**
 * Where the host's own firewall sees bridged packets, it cuts off what follows a packet's end: IPv6 packets, whose
 * length is part of what filters look at, have their marker in the flow label.
 */
const ipv6Start = '86dd60000000'

/** The first number tells the markers of two lists apart. */
export const nameFrames = (kinds: readonly Kind[], first = 0): NamedFrame[] =>
  kinds.map(([what, render], index) => {
    const number = hex16(0xa000 + first + index)
    const marker = `be57${number}be57${number}`
    const hex = render(marker).padEnd(120, '0')
    if (!hex.startsWith(ipv6Start, 24)) return { what, marker, hex }
    const label = `86dd600b${number}`
    return { what, marker: label, hex: hex.replace(ipv6Start, label) }
  })

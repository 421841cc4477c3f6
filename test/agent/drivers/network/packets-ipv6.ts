// How IPv6 packets are made. Checksums are left at 0: no filter looks at them, and frames are caught before a kernel does.
import ipaddr from 'ipaddr.js'
import { ethernet, hex8, hex16, hexMac, udp } from './frames.ts'

const hexIp = (ip: string) => Buffer.from(ipaddr.IPv6.parse(ip).toByteArray()).toString('hex')
export const next = {
  ...{ hopByHop: 0, tcp: 6, udp: 17, routing: 43, fragment: 44, authentication: 51, icmp: 58 },
  ...{ destination: 60, mobility: 135, hostIdentity: 139, shim: 140 },
}
const allNodes = 'ff02::1'

interface Packet {
  readonly from?: string
  readonly to?: string
  readonly header: number
  readonly hops?: number
  readonly payload: string
  /** Of the payload, in bytes: what follows is filling of the frame. */
  readonly length?: number
}

const ipv6 = ({ from = '::', to = allNodes, header, hops = 255, payload, length }: Packet) =>
  `60000000${hex16(length ?? payload.length / 2)}${hex8(header)}${hex8(hops)}${hexIp(from)}${hexIp(to)}${payload}`

/** An extension header of 8 bytes, padded by PadN. */
export const extension = (following: number) => `${hex8(following)}00010400000000`
export const routing = (following: number) => `${hex8(following)}00040000000000`
/** As long as this says in words of 4 bytes, less two. */
export const authentication = (following: number, words: number) =>
  `${hex8(following)}${hex8(words)}00000000000100000001`

interface FragmentPlace {
  readonly offset: number
  readonly more: boolean
}

export const fragment = (following: number, { offset, more }: FragmentPlace) =>
  `${hex8(following)}00${hex16((offset << 3) | (more ? 1 : 0))}0000be57`

export interface Neighbour {
  readonly type: number
  readonly target?: string
  readonly flags?: string
  readonly code?: string
  /** Type of the link-layer option and the MAC in it. */
  readonly option?: readonly [type: number, mac: string]
}

export function icmp({ type, target, flags = '00000000', code = '00', option }: Neighbour): string {
  const address = target === undefined ? '' : hexIp(target)
  return `${hex8(type)}${code}0000${flags}${address}${option === undefined ? '' : macOption(...option)}`
}

export const macOption = (type: number, mac: string) => `${hex8(type)}01${hexMac(mac)}`

/** What one with this MAC sends, from this address where no other is named. */
export function speak(mac: string, ip: string) {
  const frame = (packet: Packet) =>
    ethernet({ from: mac, type: '86dd', payload: ipv6({ from: ip, ...packet }) })
  /** The marker is filling: the length of such packets counts. */
  const exactly =
    (from: string, payload: string, hops = 255) =>
    (marker: string) =>
      frame({ from, header: next.icmp, payload: payload + marker, length: payload.length / 2, hops })
  return {
    frame,
    exactly,
    neighbour: (from: string, words: Neighbour, hops?: number) => exactly(from, icmp(words), hops),
    datagram: (from: string, to?: string) => (payload: string) =>
      frame({ from, ...(to && { to }), header: next.udp, payload: udp({ from: 5000, to: 5000, payload }) }),
    piece: (from: string, following: number, at: FragmentPlace, payload: string) => (marker: string) =>
      frame({ from, header: next.fragment, payload: fragment(following, at) + payload + marker }),
    behind: (header: number, before: string, words: Neighbour) => (marker: string) =>
      frame({ header, payload: before + icmp(words) + marker }),
  }
}

export const first: FragmentPlace = { offset: 0, more: true }
export const whole: FragmentPlace = { offset: 0, more: false }
export const later: FragmentPlace = { offset: 185, more: false }

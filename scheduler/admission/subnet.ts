import ipaddr from 'ipaddr.js'
import type { CatalogueNetwork } from '../model/catalogue.ts'

/** Answers DHCP, DNS and metadata in every network on every host: locally administered, given to no NIC. */
export const serviceMac = '02:be:72:00:00:01'

/** Addresses that a subnet never hands out. */
export interface SubnetAddresses {
  /** The first usable one. */
  readonly gateway: string
  /** The last usable one. */
  readonly service: string
}

export function subnetAddresses(subnet: CatalogueNetwork['subnet']): SubnetAddresses {
  const first = ipaddr.IPv4.networkAddressFromCIDR(subnet.ipv4Cidr).toByteArray()
  const last = ipaddr.IPv4.broadcastAddressFromCIDR(subnet.ipv4Cidr).toByteArray()
  // Networks are at least /29 and aligned: neither addition leaves the last byte.
  return { gateway: withLastByte(first, 1), service: withLastByte(last, -1) }
}

const withLastByte = (bytes: readonly number[], difference: number): string =>
  bytes.map((byte, index) => (index === 3 ? byte + difference : byte)).join('.')

/** Four decimal parts without leading zeros, and nothing else. */
export const isIpv4Address = (text: string): boolean => ipaddr.IPv4.isValidFourPartDecimal(text)

export function isUsableAddress(address: string, cidr: string): boolean {
  const [network, prefix] = ipaddr.IPv4.parseCIDR(cidr)
  const parsed = ipaddr.IPv4.parse(address)
  return (
    parsed.match(network, prefix) &&
    address !== ipaddr.IPv4.networkAddressFromCIDR(cidr).toString() &&
    address !== ipaddr.IPv4.broadcastAddressFromCIDR(cidr).toString()
  )
}

import ipaddr from 'ipaddr.js'
import type { CatalogueSubnet } from '../model/catalogue.ts'

/** Answers DHCP, DNS and metadata in every network on every host: locally administered, given to no NIC. */
export const serviceMac = '02:be:72:00:00:01'

/** Addresses that a subnet never hands out. */
export interface SubnetAddresses {
  /** The first usable one. */
  readonly gateway: string
  /** The last usable one. */
  readonly service: string
}

/** Each create asks, and of a subnet that is there the answer stays. */
const known = new WeakMap<object, SubnetAddresses>()

export function subnetAddresses(subnet: Pick<CatalogueSubnet, 'ipv4Cidr'>): SubnetAddresses {
  const found = known.get(subnet) ?? findAddresses(subnet)
  known.set(subnet, found)
  return found
}

function findAddresses(subnet: Pick<CatalogueSubnet, 'ipv4Cidr'>): SubnetAddresses {
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

/** undefined for a range that guests can have; else the rest of a sentence about the subnet. */
export function findCidrTrouble(ipv4Cidr: string): string | undefined {
  if (!ipaddr.IPv4.isValidCIDRFourPartDecimal(ipv4Cidr)) {
    return `has "${ipv4Cidr}" as ipv4Cidr; write it as in 10.0.0.0/24.`
  }
  const [address, prefix] = ipaddr.IPv4.parseCIDR(ipv4Cidr)
  if (prefix < 8 || prefix > 29) return `is /${prefix}; /8 to /29 are possible.`
  const network = `${ipaddr.IPv4.networkAddressFromCIDR(ipv4Cidr).toString()}/${prefix}`
  if (network !== ipv4Cidr) return `has host bits set in ${ipv4Cidr}; write ${network}.`
  return reservedRanges.has(address.range())
    ? `is in ${ipv4Cidr}, which no guest can have; 10.0.0.0/8 is a good choice.`
    : undefined
}

/** Link-local has the metadata service; the others mean something else to every system. */
/** The same for IPv6. */
export function findIpv6CidrTrouble(ipv6Cidr: string): string | undefined {
  if (!ipaddr.IPv6.isValidCIDR(ipv6Cidr) || ipv6Cidr.includes('%')) {
    return `has "${ipv6Cidr}" as ipv6Cidr; write it as in fd5b:1::/64.`
  }
  const [address, prefix] = ipaddr.IPv6.parseCIDR(ipv6Cidr)
  if (prefix !== 64) return `is /${prefix} in IPv6; every subnet is a /64.`
  const network = `${ipaddr.IPv6.networkAddressFromCIDR(ipv6Cidr).toString()}/64`
  if (network !== ipv6Cidr) return `has ${ipv6Cidr} as ipv6Cidr; write ${network}.`
  return ['unicast', 'uniqueLocal'].includes(address.range())
    ? undefined
    : `is in ${ipv6Cidr}, which no guest can have; a /64 of fd00::/8 is a good choice.`
}

const reservedRanges: ReadonlySet<string> = new Set([
  ...['unspecified', 'broadcast', 'multicast', 'linkLocal', 'loopback', 'reserved'],
])

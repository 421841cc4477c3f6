// How a NIC's IPv6 address follows from its IPv4 address: they end alike. So one claim keeps both, and who knows the one
// knows the other.
import ipaddr from 'ipaddr.js'

/** 10.0.0.7 in fd5b:1::/64 is fd5b:1::a00:7. */
export function ipv6Of(ipv6Cidr: string, ipv4Address: string): string {
  const prefix = ipaddr.IPv6.networkAddressFromCIDR(ipv6Cidr).toByteArray()
  const ending = ipaddr.IPv4.parse(ipv4Address).toByteArray()
  return new ipaddr.IPv6([...prefix.slice(0, 12), ...ending]).toString()
}

/** What it ends in; undefined for an address that is of another form, or of another range. */
export function ipv4Ending(ipv6Cidr: string, ipv6Address: string): string | undefined {
  const bytes = ipaddr.IPv6.parse(ipv6Address).toByteArray()
  const ending = new ipaddr.IPv4(bytes.slice(12)).toString()
  return ipv6Of(ipv6Cidr, ending) === ipaddr.IPv6.parse(ipv6Address).toString() ? ending : undefined
}

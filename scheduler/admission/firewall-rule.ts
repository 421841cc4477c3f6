// Whether a firewall rule means something: ports that its protocol has, ranges that are ranges.
import ipaddr from 'ipaddr.js'
import { type Problem, problem } from '../errors.ts'
import type { FirewallRule } from '../model/firewall.ts'

type Parts = Pick<FirewallRule, 'protocol' | 'ports' | 'sources' | 'destinations'>

export function checkFirewallRule({ protocol, ports, sources, destinations }: Parts): readonly Problem[] {
  const hasPorts = protocol === 'TCP' || protocol === 'UDP'
  return [
    ...(ports === undefined || hasPorts
      ? []
      : [invalid('ports', `${protocol} has no ports; leave ports out, or set protocol to TCP or UDP.`)]),
    ...(ports ?? []).flatMap((text, index) => checkPorts(text, `ports[${index}]`)),
    ...(sources ?? []).flatMap((text, index) => checkRange(text, `sources[${index}]`)),
    ...(destinations ?? []).flatMap((text, index) => checkRange(text, `destinations[${index}]`)),
    ...checkFamilies(sources, destinations),
  ]
}

const invalid = (field: string, message: string) => problem('INVALID_VALUE', { message }, field)

function checkPorts(text: string, field: string): readonly Problem[] {
  const [, first = '', last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  const isRange = Number(first) >= 1 && Number(last) <= 65_535 && Number(first) <= Number(last)
  return isRange ? [] : [invalid(field, `"${text}" is no port; write 22, or a range such as 8000-8100.`)]
}

function checkRange(text: string, field: string): readonly Problem[] {
  const canonical = canonicalRange(text)
  if (canonical === text) return []
  const message =
    canonical === undefined
      ? `"${text}" is no range of addresses; write 10.0.0.0/24 or fd00:1::/64, and /32 or /128 for a single one.`
      : `"${text}" is written ${canonical}.`
  return [invalid(field, message)]
}

/** As it is to be written; undefined for what is no range. */
function canonicalRange(text: string): string | undefined {
  if (ipaddr.IPv4.isValidCIDRFourPartDecimal(text)) {
    return `${ipaddr.IPv4.networkAddressFromCIDR(text).toString()}/${ipaddr.IPv4.parseCIDR(text)[1]}`
  }
  if (!ipaddr.IPv6.isValidCIDR(text) || text.includes('%')) return undefined
  return `${ipaddr.IPv6.networkAddressFromCIDR(text).toString()}/${ipaddr.IPv6.parseCIDR(text)[1]}`
}

/** No packet goes from an IPv4 address to an IPv6 one. */
function checkFamilies(sources: Parts['sources'], destinations: Parts['destinations']): readonly Problem[] {
  if (sources === undefined || destinations === undefined) return []
  const isIpv6 = (text: string) => text.includes(':')
  const meets = sources.some((source) => destinations.some((one) => isIpv6(one) === isIpv6(source)))
  if (meets) return []
  return [
    invalid('destinations', 'One of sources and destinations is IPv4 and the other IPv6: nothing matches.'),
  ]
}

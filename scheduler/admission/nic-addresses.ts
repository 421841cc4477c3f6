import ipaddr from 'ipaddr.js'
import { type Problem, problem } from '../errors.ts'
import type { CatalogueSubnet } from '../model/catalogue.ts'
import { ipv4Ending, ipv6Of } from '../model/ipv6.ts'
import type { NicRequest } from './instance-request.ts'
import { type Resolution, refusedWith, resolved } from './resolution.ts'
import { isIpv4Address, isUsableAddress, subnetAddresses } from './subnet.ts'

/** The IPv4 address that is asked for, by itself or by the IPv6 address that follows from it; undefined for any. */
export function resolveIpv4(
  nic: Pick<NicRequest, 'ipv4Address' | 'ipv6Address'>,
  field: string,
  subnet: CatalogueSubnet,
): Resolution<string | undefined> {
  const { ipv4Address, ipv6Address } = nic
  const problems: Problem[] = []
  if (ipv4Address !== undefined) problems.push(...checkIpv4(ipv4Address, `${field}.ipv4Address`, subnet))
  if (ipv6Address === undefined)
    return problems.length === 0 ? resolved(ipv4Address) : refusedWith(...problems)
  const at = `${field}.ipv6Address`
  const ending = endingOf(ipv6Address, at, subnet)
  if (ending.kind === 'refused') return refusedWith(...problems, ...ending.problems)
  if (problems.length > 0) return refusedWith(...problems)
  const ipv4 = ending.value
  if (ipv4Address !== undefined && ipv4Address !== ipv4) {
    return refusedWith(notFollowing({ ipv6Address, ipv4Address }, at, subnet))
  }
  const unusable = ipv4Address === undefined ? checkIpv4(ipv4, at, subnet) : []
  return unusable.length === 0 ? resolved(ipv4) : refusedWith(...unusable)
}

function endingOf(
  address: string,
  field: string,
  { id, ipv6Cidr, ipv4Cidr }: CatalogueSubnet,
): Resolution<string> {
  if (ipv6Cidr === undefined) return refusedWith(problem('NO_IPV6', { subnet: id }, field))
  if (!ipaddr.IPv6.isValid(address) || address.includes('%')) {
    const message = `"${address}" is no IPv6 address; write it as in fd5b:1::a00:7.`
    return refusedWith(problem('INVALID_VALUE', { message }, field))
  }
  const [network, prefix] = ipaddr.IPv6.parseCIDR(ipv6Cidr)
  if (!ipaddr.IPv6.parse(address).match(network, prefix)) {
    return refusedWith(problem('ADDRESS_OUTSIDE_SUBNET', { address, cidr: ipv6Cidr }, field))
  }
  const ending = ipv4Ending(ipv6Cidr, address)
  if (ending !== undefined) return resolved(ending)
  const { gateway } = subnetAddresses({ ipv4Cidr })
  return refusedWith(notFollowing({ ipv6Address: address, ipv4Address: gateway }, field, { ipv6Cidr }))
}

function notFollowing(
  { ipv6Address, ipv4Address }: { ipv6Address: string; ipv4Address: string },
  field: string,
  { ipv6Cidr }: Pick<CatalogueSubnet, 'ipv6Cidr'>,
): Problem {
  const following = ipv6Cidr === undefined ? '' : ipv6Of(ipv6Cidr, ipv4Address)
  return problem('IPV6_FOLLOWS_IPV4', { ipv6Address, ipv4Address, following }, field)
}

function checkIpv4(address: string, field: string, subnet: CatalogueSubnet): readonly Problem[] {
  if (!isIpv4Address(address)) {
    const message = `"${address}" is no IPv4 address; write four numbers as in 10.0.0.7, without leading zeros.`
    return [problem('INVALID_VALUE', { message }, field)]
  }
  if (!isUsableAddress(address, subnet.ipv4Cidr)) {
    return [problem('ADDRESS_OUTSIDE_SUBNET', { address, cidr: subnet.ipv4Cidr }, field)]
  }
  const { gateway, service } = subnetAddresses(subnet)
  if (address === gateway) return [problem('ADDRESS_RESERVED', { address, why: 'gateway' }, field)]
  if (address === service) return [problem('ADDRESS_RESERVED', { address, why: 'service address' }, field)]
  return []
}

import { describe, expect, it } from 'vitest'
import { resourceUid } from '../../../proto/ids.ts'
import { resolveIpv4 } from '../../../scheduler/admission/nic-addresses.ts'
import { findIpv6CidrTrouble } from '../../../scheduler/admission/subnet.ts'
import type { CatalogueSubnet } from '../../../scheduler/model/catalogue.ts'

const meta = {
  uid: resourceUid('0192a5b0-0000-7000-8000-000000000001'),
  revision: 1,
  createdAtMs: 0,
  updatedAtMs: 0,
  isDeclared: false,
}
const subnet: CatalogueSubnet = { id: 'both', ipv4Cidr: '10.0.0.0/24', ipv6Cidr: 'fd5b:1::/64', meta }

describe('the addresses that are asked for', () => {
  it.each([
    [{}, undefined],
    [{ ipv4Address: '10.0.0.7' }, '10.0.0.7'],
    [{ ipv6Address: 'fd5b:1::a00:7' }, '10.0.0.7'],
    [{ ipv6Address: 'FD5B:1:0::10.0.0.7' }, '10.0.0.7'],
    [{ ipv4Address: '10.0.0.7', ipv6Address: 'fd5b:1::a00:7' }, '10.0.0.7'],
  ])('%o come down to one', (nic, ipv4) => {
    expect(resolveIpv4(nic, 'nics[0]', subnet)).toEqual({ kind: 'resolved', value: ipv4 })
  })

  it.each([
    [{ ipv6Address: 'fd5b:1::g' }, 'INVALID_VALUE', 'fd5b:1::a00:7'],
    [{ ipv6Address: 'fd5b:1::a00:7%eth0' }, 'INVALID_VALUE', 'is no IPv6 address'],
    [{ ipv6Address: 'fd5b:2::a00:7' }, 'ADDRESS_OUTSIDE_SUBNET', 'fd5b:1::/64'],
    [{ ipv6Address: 'fd5b:1::1:a00:7' }, 'IPV6_FOLLOWS_IPV4', 'fd5b:1::a00:1 goes with 10.0.0.1'],
    [{ ipv6Address: 'fd5b:1::b00:7' }, 'ADDRESS_OUTSIDE_SUBNET', '10.0.0.0/24'],
    [{ ipv6Address: 'fd5b:1::a00:1' }, 'ADDRESS_RESERVED', 'gateway'],
    [
      { ipv4Address: '10.0.0.8', ipv6Address: 'fd5b:1::a00:7' },
      'IPV6_FOLLOWS_IPV4',
      'fd5b:1::a00:8 goes with 10.0.0.8, fd5b:1::a00:7 does not',
    ],
  ])('%o are refused at the field', (nic, reason, words) => {
    const outcome = resolveIpv4(nic, 'nics[0]', subnet)
    expect(outcome).toMatchObject({
      kind: 'refused',
      problems: [{ reason, field: 'nics[0].ipv6Address', message: expect.stringContaining(words) }],
    })
  })

  it('are no IPv6 ones where the subnet has none', () => {
    const { ipv6Cidr: _, ...single } = subnet
    expect(resolveIpv4({ ipv6Address: 'fd5b:1::a00:7' }, 'nics[0]', single)).toMatchObject({
      problems: [{ reason: 'NO_IPV6' }],
    })
  })
})

describe('an IPv6 range', () => {
  it.each(['fd5b:1::/64', 'fdff:ffff:ffff:ffff::/64', '2a01:4f8::/64'])('may be %s', (cidr) => {
    expect(findIpv6CidrTrouble(cidr)).toBeUndefined()
  })

  it.each([
    ['fd5b:1::', 'write it as in fd5b:1::/64'],
    ['10.0.0.0/24', 'write it as in'],
    ['fd5b:1::/48', 'every subnet is a /64'],
    ['fd5b:1::1/64', 'write fd5b:1::/64'],
    ['FD5B:1::/64', 'write fd5b:1::/64'],
    ['fe80::/64', 'no guest can have'],
    ['ff02::/64', 'no guest can have'],
    ['::/64', 'no guest can have'],
    ['2001:db8::/64', 'no guest can have'],
  ])('may not be %s', (cidr, words) => {
    expect(findIpv6CidrTrouble(cidr)).toContain(words)
  })
})

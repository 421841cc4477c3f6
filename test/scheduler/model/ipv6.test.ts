import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ipv4Ending, ipv6Of } from '../../../scheduler/model/ipv6.ts'

describe('an IPv6 address', () => {
  it('ends as the IPv4 address does', () => {
    expect(ipv6Of('fd5b:1::/64', '10.0.0.7')).toBe('fd5b:1::a00:7')
    expect(ipv6Of('fd5b:1:2:3::/64', '192.168.255.254')).toBe('fd5b:1:2:3::c0a8:fffe')
  })

  it('tells the IPv4 address, and no other address tells one', () => {
    const octets = fc.tuple(...Array.from({ length: 4 }, () => fc.integer({ min: 0, max: 255 })))
    fc.assert(
      fc.property(octets, (parts) => {
        const ipv4 = parts.join('.')
        expect(ipv4Ending('fd5b:1::/64', ipv6Of('fd5b:1::/64', ipv4))).toBe(ipv4)
      }),
    )
    for (const other of ['fd5b:2::a00:7', 'fd5b:1::1:a00:7', 'fe80::a00:7', '::a00:7']) {
      expect(ipv4Ending('fd5b:1::/64', other)).toBeUndefined()
    }
  })
})

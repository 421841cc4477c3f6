import { describe, expect, it } from 'vitest'
import { parseLinks } from '../../../../agent/drivers/network/links.ts'
import { isFilterHooked } from '../../../../agent/drivers/network/tap.ts'

describe('parseLinks', () => {
  const tap = {
    ifname: 'bt1n0',
    mtu: 1450,
    flags: ['BROADCAST', 'UP'],
    address: '02:5b:00:00:00:11',
    master: 'bb1',
    linkinfo: { info_kind: 'tun', info_data: { type: 'tap', user: 200_001 } },
    operstate: 'UP',
  }

  it('reads what `ip -j -d link show` prints', () => {
    expect(parseLinks([tap])).toEqual([
      {
        name: 'bt1n0',
        mtu: 1450,
        isUp: true,
        macAddress: '02:5b:00:00:00:11',
        bridge: 'bb1',
        isIsolated: false,
        kind: 'tun',
        tapOwner: 200_001,
        isMultiQueue: false,
      },
    ])
  })

  it('reads a link that has nothing but a name', () => {
    expect(parseLinks([{ ifname: 'lo', mtu: 65_536, flags: [] }])).toMatchObject([
      { name: 'lo', isUp: false },
    ])
  })

  it('refuses what is no list of links', () => {
    expect(() => parseLinks({})).toThrow()
    expect(() => parseLinks([{ ifname: 'lo' }])).toThrow()
  })
})

describe('isFilterHooked', () => {
  const chain = { family: 'netdev', name: 'ingress', hook: 'ingress', policy: 'drop' }
  const listing = (changes: object) => ({ nftables: [{ metainfo: {} }, { chain: { ...chain, ...changes } }] })

  it.each([{}, { dev: 'bt1n0' }, { dev: ['bt1n0'] }])('takes a chain with %o', (changes) => {
    expect(isFilterHooked(listing(changes), 'bt1n0')).toBe(true)
  })

  it.each([{ hook: undefined }, { hook: 'egress' }, { policy: 'accept' }, { dev: 'bt2n0' }, { dev: [] }])(
    'refuses a chain with %o',
    (changes) => {
      expect(isFilterHooked(listing(changes), 'bt1n0')).toBe(false)
    },
  )

  it('refuses a table without a chain', () => {
    expect(isFilterHooked({ nftables: [{ metainfo: {} }] }, 'bt1n0')).toBe(false)
  })
})

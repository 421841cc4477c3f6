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
  const echo = (chain: string) =>
    `add table netdev berth-bt1n0\nadd chain netdev ${chain}\nadd rule netdev x y accept\n`

  it.each([
    'berth-bt1n0 ingress { type filter hook ingress priority filter; policy drop; }',
    'berth-bt1n0 ingress { type filter hook ingress device "bt1n0" priority 0; policy drop; }',
    'berth-bt1n0 ingress { type filter hook ingress devices = { bt1n0 } priority 0; policy drop; }',
  ])('takes %s', (chain) => {
    expect(isFilterHooked(echo(chain), 'bt1n0')).toBe(true)
  })

  it.each([
    'berth-bt1n0 ipv6 { }',
    'berth-bt1n0 ingress { type filter hook egress priority filter; policy drop; }',
    'berth-bt1n0 ingress { type filter hook ingress priority filter; policy accept; }',
    'berth-bt1n0 ingress { type filter hook ingress device "bt2n0" priority 0; policy drop; }',
    'berth-bt1n01 ingress { type filter hook ingress priority filter; policy drop; }',
  ])('refuses %s', (chain) => {
    expect(isFilterHooked(echo(chain), 'bt1n0')).toBe(false)
  })

  it('refuses a table without a chain', () => {
    expect(isFilterHooked('add table netdev berth-bt1n0\n', 'bt1n0')).toBe(false)
  })
})

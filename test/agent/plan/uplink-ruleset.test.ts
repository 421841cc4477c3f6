import { create } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import {
  renderUplinkMember,
  renderUplinkRemoval,
  renderUplinkRuleset,
} from '../../../agent/plan/uplink-ruleset.ts'
import { NetworkSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { FirewallSchema } from '../../../proto/gen/berth/agent/v1/network_pb.ts'
import { expectGolden } from '../../support/golden.ts'

const network = create(NetworkSchema, {
  uid: '0192f0c1-0000-7000-8000-002a90c1d3e5',
  serviceIpv4: '10.5.0.2',
  serviceMac: '02:5B:00:00:00:02',
  serviceIpv6: 'fd5b:1::a05:2',
})
const member = {
  macAddress: '02:5B:00:00:00:11',
  ipv4Address: '10.5.0.17',
  ipv6Address: 'fd5b:1::a05:11',
}

describe('renderUplinkRuleset', () => {
  it('is the text on file', () => {
    expectGolden('nft-uplink-filter.nft', renderUplinkRuleset(network, [member]))
  })

  it('names no IPv6 address of services that have none', () => {
    const text = renderUplinkRuleset(create(NetworkSchema, { ...network, serviceIpv6: '' }), [])
    expect(text).toContain('set ipv6 { type ipv6_addr; }')
    expect(text).not.toContain('fd5b')
  })

  it('lets nobody outside be the gateway of a network that has one here', () => {
    const firewall = create(FirewallSchema, { natGateway: true })
    const gateway = create(NetworkSchema, { ...network, ipv4Gateway: '10.5.0.1', firewall })
    const text = renderUplinkRuleset(gateway, [])
    expect(text).toContain('set ipv4 { type ipv4_addr; elements = { 10.5.0.2, 169.254.169.254, 10.5.0.1 }; }')
    // The operator's may be there.
    expect(renderUplinkRuleset({ ...network, ipv4Gateway: '10.5.0.1' }, [])).not.toContain('10.5.0.1')
  })
})

describe('renderUplinkMember', () => {
  it('adds, and deletes only what it has added', () => {
    const added = renderUplinkMember(network.uid, member, true).trim().split('\n')
    const removed = renderUplinkMember(network.uid, member, false).trim().split('\n')
    expect(added).toEqual([
      'add element netdev berth-bv2a90c1d3e5 macs { 02:5b:00:00:00:11 }',
      'add element netdev berth-bv2a90c1d3e5 ipv4 { 10.5.0.17 }',
      'add element netdev berth-bv2a90c1d3e5 ipv6 { fd5b:1::a05:11 }',
      'add element netdev berth-bv2a90c1d3e5 ipv6 { fe80::5b:ff:fe00:11 }',
      'add element netdev berth-bv2a90c1d3e5 targets { 0xfd5b000100000000000000000a050011 }',
      'add element netdev berth-bv2a90c1d3e5 targets { 0xfe80000000000000005b00fffe000011 }',
      'add element netdev berth-bv2a90c1d3e5 links { 0x025b00000011 }',
    ])
    expect(removed.slice(-2 * added.length)).toEqual([
      ...added,
      ...added.map((line) => line.replace('add', 'delete')),
    ])
  })
})

describe('renderUplinkRemoval', () => {
  it('declares the table first, so that a missing one is no error', () => {
    expect(renderUplinkRemoval(network.uid)).toBe(
      'table netdev berth-bv2a90c1d3e5\ndelete table netdev berth-bv2a90c1d3e5\n',
    )
  })
})

import { create } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import {
  dnsmasqPaths,
  renderDhcpHost,
  renderDnsHost,
  renderDnsmasqConfig,
} from '../../../agent/plan/dnsmasq-config.ts'
import { NetworkSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { FirewallSchema } from '../../../proto/gen/berth/agent/v1/network_pb.ts'
import { expectGolden } from '../../support/golden.ts'

const network = create(NetworkSchema, {
  uid: '0192a5b0-0000-7000-8000-4f2a90c1d3e5',
  ipv4Cidr: '10.5.0.0/20',
  serviceIpv4: '10.5.0.2',
  serviceMac: '02:5b:00:00:00:02',
  mtu: 8950,
  domain: 'default.zone-a.internal',
})
const paths = dnsmasqPaths('/run/berth/networks/0192a5b0-0000-7000-8000-4f2a90c1d3e5')
const host = { macAddress: '02:5B:00:00:00:11', ipv4Address: '10.5.0.17', ipv6Address: '', hostname: 'vm-1' }

describe('renderDnsmasqConfig', () => {
  it('is the text on file', () => {
    expectGolden('dnsmasq.conf', renderDnsmasqConfig(network, paths))
  })

  it('does without a domain', () => {
    const config = renderDnsmasqConfig({ ...network, domain: '' }, paths)
    expect(config).not.toContain('domain=')
    expect(config).not.toContain('local=')
  })

  it('takes the usual MTU where the network has none', () => {
    expect(renderDnsmasqConfig({ ...network, mtu: 0 }, paths)).toContain('dhcp-option=26,1500\n')
  })

  it('advertises the range, and hands out its addresses', () => {
    const dual = { ...network, ipv6Cidr: 'fd5b:1::/64', serviceIpv6: 'fd5b:1::a05:2' }
    expectGolden('dnsmasq-dual.conf', renderDnsmasqConfig(dual, paths))
    expect(() => renderDnsmasqConfig({ ...dual, serviceIpv6: 'x' }, paths)).toThrow('is no IPv6 address')
  })

  it('shows the way outside where there is one, and asks whoever knows the names there', () => {
    const firewall = create(FirewallSchema, { natGateway: true })
    const open = { ...network, ipv4Gateway: '10.5.0.1', firewall }
    expectGolden('dnsmasq-gateway.conf', renderDnsmasqConfig(open, paths, ['192.0.2.53', '192.0.2.54']))
    expect(renderDnsmasqConfig(network, paths, ['192.0.2.53'])).not.toContain('server=')
    expect(() => renderDnsmasqConfig({ ...open, ipv4Gateway: '' }, paths)).toThrow('is no IPv4 address')
    expect(() => renderDnsmasqConfig(open, paths, ['192.0.2.53\nport=0'])).toThrow('is no IPv4 address')
  })

  it.each([
    { domain: 'a\nserver=192.0.2.1' },
    { serviceIpv4: '10.5.0.2\nport=0' },
    { serviceIpv4: '10.5' },
    { ipv4Cidr: '10.5.0.0' },
  ])('refuses %o', (wrong) => {
    expect(() => renderDnsmasqConfig({ ...network, ...wrong }, paths)).toThrow()
  })
})

describe('renderDhcpHost', () => {
  it('is MAC and address', () => {
    expect(renderDhcpHost(host)).toBe('02:5b:00:00:00:11,10.5.0.17\n')
  })

  it('is MAC and both addresses', () => {
    expect(renderDhcpHost({ ...host, ipv6Address: 'fd5b:1::a05:11' })).toBe(
      '02:5b:00:00:00:11,10.5.0.17,[fd5b:1::a05:11]\n',
    )
  })

  it('refuses what is no address', () => {
    expect(() => renderDhcpHost({ ...host, ipv4Address: '10.5.0.17,ignore' })).toThrow('is no IPv4 address')
  })
})

describe('renderDnsHost', () => {
  it('gives the short name first and the whole one where there is more', () => {
    expect(renderDnsHost(host)).toBe('10.5.0.17 vm-1\n')
    expect(renderDnsHost({ ...host, hostname: 'vm-1.example.com' })).toBe('10.5.0.17 vm-1 vm-1.example.com\n')
  })

  it('gives both addresses where there are two', () => {
    expect(renderDnsHost({ ...host, ipv6Address: 'fd5b:1::a05:11' })).toBe(
      '10.5.0.17 vm-1\nfd5b:1::a05:11 vm-1\n',
    )
    expect(() => renderDnsHost({ ...host, ipv6Address: 'x:' })).toThrow('is no IPv6 address')
  })

  it.each(['', 'a b', 'a\n10.5.0.2 x', '-a'])('refuses the host name %j', (hostname) => {
    expect(() => renderDnsHost({ ...host, hostname })).toThrow('is no host name')
  })
})

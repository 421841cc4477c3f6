import { create } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import { renderFirewall, renderFirewallRemoval } from '../../../agent/plan/firewall-ruleset.ts'
import {
  FirewallProtocol,
  type FirewallRule,
  FirewallSchema,
} from '../../../proto/gen/berth/agent/v1/network_pb.ts'
import { expectGolden } from '../../support/golden.ts'

const network = '0192a5b0-0000-7000-8000-4f2a90c1d3e5'
const { ALL, TCP, UDP, ICMP } = FirewallProtocol
type Rule = Partial<Omit<FirewallRule, '$typeName' | 'ports'>> & { ports?: { first: number; last: number }[] }

function render(...rules: readonly Rule[]): string {
  const firewall = create(FirewallSchema, { generation: 1, deniesIngress: true, rules: [...rules] })
  return renderFirewall(network, firewall, 4096)
}

/** Between what always passes and the last word. */
const linesOf = (...rules: readonly Rule[]) =>
  (/ct state invalid drop\n([\s\S]*?) +drop\n/.exec(render(...rules))?.[1] ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

describe('renderFirewall', () => {
  it('is the text on file', () => {
    expectGolden(
      'nft-firewall.nft',
      render(
        { id: 'ssh', protocol: TCP, ports: [{ first: 22, last: 22 }], sources: ['10.0.0.0/8'] },
        { id: 'web', protocol: TCP, ports: [80, 443, 8000].map((first) => ({ first, last: first })) },
        { id: 'ping', protocol: ICMP },
        { id: 'office', protocol: ALL, sources: ['192.168.7.0/24', 'fd00:7::/64'] },
      ),
    )
  })

  it('lets in nothing without rules', () => {
    expect(linesOf()).toEqual([])
  })

  it('has a line for each family that the addresses leave', () => {
    const mixed = ['10.0.0.0/8', 'fd00:1::/64']
    expect(linesOf({ protocol: UDP, sources: mixed })).toEqual([
      'ip saddr { 10.0.0.0/8 } meta l4proto 17 accept',
      'ip6 saddr { fd00:1::/64 } meta l4proto 17 accept',
    ])
    expect(linesOf({ protocol: ALL, sources: mixed, destinations: ['10.1.0.7/32'] })).toEqual([
      'ip saddr { 10.0.0.0/8 } ip daddr { 10.1.0.7/32 } accept',
    ])
    expect(linesOf({ protocol: ALL, sources: ['10.0.0.0/8'], destinations: ['fd00:1::/64'] })).toEqual([])
  })

  it('names overlapping ranges once, for nft refuses them', () => {
    const sources = ['10.1.0.0/16', '10.0.0.0/8', '10.0.0.0/8', '192.168.0.0/24']
    expect(linesOf({ protocol: ALL, sources })).toEqual(['ip saddr { 10.0.0.0/8, 192.168.0.0/24 } accept'])
    const ports = [
      { first: 8000, last: 8100 },
      { first: 22, last: 22 },
      { first: 8050, last: 9000 },
      { first: 23, last: 23 },
    ]
    expect(linesOf({ protocol: TCP, ports })).toEqual(['tcp dport { 22-23, 8000-9000 } accept'])
  })

  it('takes no address that is none, and no protocol that it does not know', () => {
    expect(() => render({ protocol: ALL, sources: ['10.0.0.0/8 } accept; #'] })).toThrow()
    expect(() => render({ id: 'new', protocol: 77 as FirewallProtocol })).toThrow(/rule new/)
  })
})

it('is removed whether or not it is there', () => {
  const table = 'table bridge berth-fw-2a90c1d3e5'
  expect(renderFirewallRemoval(network)).toBe(`${table}\ndelete ${table}\n`)
})

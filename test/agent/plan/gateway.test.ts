import { describe, expect, it } from 'vitest'
import { transferNet, transferNets } from '../../../agent/plan/gateway.ts'
import {
  renderForwardingGuard,
  renderGatewayInside,
  renderGatewayOutside,
  renderGatewayRemoval,
} from '../../../agent/plan/gateway-ruleset.ts'
import { expectGolden } from '../../support/golden.ts'

const uid = '0192a5b0-0000-7000-8000-4f2a90c1d3e5'
const settings = {
  ...{ interface: 'eth1.7', allowedRanges: ['10.20.0.0/16'], deniedRanges: ['203.0.113.0/28'] },
  nameServers: ['10.0.0.53'],
}

describe('transferNet', () => {
  it('is two addresses that no other has, in the lower half of the link-local range', () => {
    expect(transferNet(0)).toEqual({ host: '169.254.64.0', inside: '169.254.64.1', prefix: 31 })
    expect(transferNet(128)).toEqual({ host: '169.254.65.0', inside: '169.254.65.1', prefix: 31 })
    expect(transferNet(transferNets - 1).inside).toBe('169.254.127.255')
    expect(() => transferNet(transferNets)).toThrow('is no transfer net')
    expect(() => transferNet(Number.NaN)).toThrow('is no transfer net')
  })
})

describe("a gateway's rules", () => {
  it('are the text on file', () => {
    const texts = [
      renderGatewayInside({ ipv4Cidr: '10.5.0.0/20' }),
      renderGatewayOutside(uid, settings, transferNet(3)),
      renderForwardingGuard('eth1.7'),
    ]
    expectGolden('nft-gateway.nft', texts.join('\n'))
  })

  it('are taken away by name, whether or not they are there', () => {
    expect(renderGatewayRemoval('berth-gateway')).toBe(
      'table ip berth-gateway\ndelete table ip berth-gateway\n',
    )
  })

  it.each(['10.5.0.0/20 accept', 'fd5b::/64', ''])('have no range %j', (range) => {
    expect(() => renderGatewayInside({ ipv4Cidr: range })).toThrow('is no range')
    const wrong = { ...settings, allowedRanges: [range] }
    expect(() => renderGatewayOutside(uid, wrong, transferNet(3))).toThrow('is no range')
  })

  it.each(['a" accept', '', 'a-name-of-16-char'])('have no interface %j', (name) => {
    const wrong = { ...settings, interface: name }
    expect(() => renderGatewayOutside(uid, wrong, transferNet(3))).toThrow('is no interface')
    expect(() => renderForwardingGuard(name)).toThrow('is no interface')
  })
})

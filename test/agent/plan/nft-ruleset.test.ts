import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { renderNftRemoval, renderNftRuleset } from '../../../agent/plan/nft-ruleset.ts'
import { expectGolden } from '../../support/golden.ts'

const port = {
  ...{ tap: 'bt4f2a90c1d3n0', macAddress: '02:5B:00:00:00:11', ipv4Address: '10.5.0.17' },
  ipv6Address: '',
}
const dual = { ...port, ipv6Address: 'fd5b:1::a05:11' }

describe('renderNftRuleset', () => {
  it('is the text on file', () => {
    expectGolden('nft-tap-filter.nft', renderNftRuleset(port))
  })

  it('is the text on file for a port of both families', () => {
    expectGolden('nft-tap-filter-dual.nft', renderNftRuleset(dual))
  })

  it('denies what no rule names', () => {
    expect(renderNftRuleset(port)).toContain('policy drop;')
  })

  it.each([
    { ...port, tap: 'bt0"; policy accept; #' },
    { ...port, tap: '' },
    { ...port, macAddress: '02:5b:00:00:00' },
    { ...port, macAddress: '02:5b:00:00:00:11 accept' },
    { ...port, ipv4Address: '10.5.0.17 accept' },
    { ...port, ipv4Address: '0.0.0.0/0' },
    { ...port, ipv6Address: 'fd5b:1::11/64' },
    { ...port, ipv6Address: 'fd5b:1::11%eth0' },
    { ...port, ipv6Address: '::ffff:10.0.0.1' },
    { ...port, ipv6Address: 'fd5b accept' },
  ])('refuses to make a filter of %o', (wrong) => {
    expect(() => renderNftRuleset(wrong)).toThrow('no filter can be made of it')
  })

  it('lets no text from outside add a rule', () => {
    const lineCount = renderNftRuleset(dual).split('\n').length
    fc.assert(
      fc.property(
        fc.string(),
        fc.constantFrom('tap', 'macAddress', 'ipv4Address', 'ipv6Address'),
        (text, field) => {
          try {
            const rendered = renderNftRuleset({ ...dual, [field]: text })
            return text === '' || rendered.split('\n').length === lineCount
          } catch {
            return true
          }
        },
      ),
    )
  })
})

describe('renderNftRemoval', () => {
  it('declares the table first, so that a missing one is no error', () => {
    expect(renderNftRemoval('bt1n0')).toBe('table netdev berth-bt1n0\ndelete table netdev berth-bt1n0\n')
  })
})

import { expect, it } from 'vitest'
import { renderNftRuleset } from '../../../agent/plan/nft-ruleset.ts'
import { egressLimitArgs, renderIngressLimit } from '../../../agent/plan/rate-limit.ts'

it('is a rate in bytes, and a burst of a tenth of a second', () => {
  expect(renderIngressLimit(1000)).toEqual([
    'limit rate over 125000000 bytes/second burst 12500000 bytes drop',
  ])
  expect(egressLimitArgs('bt0n0', 1000).join(' ')).toBe(
    'qdisc replace dev bt0n0 root tbf rate 1000mbit burst 1250000 latency 50ms',
  )
})

it('lets the largest frame pass, however low it is', () => {
  expect(renderIngressLimit(1)).toEqual(['limit rate over 125000 bytes/second burst 131072 bytes drop'])
  expect(egressLimitArgs('bt0n0', 1)).toContain('131072')
})

it('comes before the filter lets anything pass, and only where there is one', () => {
  const port = { tap: 'bt0n0', macAddress: '02:5b:00:00:00:11', ipv4Address: '10.5.0.17', ipv6Address: '' }
  const lines = renderNftRuleset({ ...port, networkMbps: 10 }).split('\n')
  const at = (text: string) => lines.findIndex((line) => line.includes(text))
  expect(at('limit rate over 1250000 bytes/second')).toBeGreaterThan(at('policy drop'))
  expect(at('limit rate')).toBeLessThan(at('accept'))
  expect(renderNftRuleset({ ...port, networkMbps: 0 })).not.toContain('limit')
})

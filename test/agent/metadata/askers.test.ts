import { describe, expect, it } from 'vitest'
import { createAskers } from '../../../agent/metadata/askers.ts'
import { type Clock, systemClock } from '../../../lib/clock.ts'

function clockAt(time: { ms: number }): Clock {
  return { ...systemClock, monotonicMs: () => time.ms }
}

describe('createAskers', () => {
  const limits = { connections: 2, burst: 3, perSecond: 1 }

  it('takes a burst, then a request for each second that passes', () => {
    const time = { ms: 0 }
    const askers = createAskers(limits, clockAt(time))
    const ask = () => askers.asks('10.0.0.5')
    expect([ask(), ask(), ask(), ask()]).toEqual([true, true, true, false])
    time.ms = 1000
    expect([ask(), ask()]).toEqual([true, false])
    time.ms = 1_000_000
    expect([ask(), ask(), ask(), ask()]).toEqual([true, true, true, false])
  })

  it('holds no guest to what another has used', () => {
    const askers = createAskers(limits, clockAt({ ms: 0 }))
    for (let count = 0; count < 5; count++) askers.asks('10.0.0.5')
    expect(askers.asks('10.0.0.6')).toBe(true)
  })

  it('keeps what a guest has used when it connects anew', () => {
    const askers = createAskers(limits, clockAt({ ms: 0 }))
    for (let round = 0; round < 3; round++) {
      askers.opened('10.0.0.5')
      expect(askers.asks('10.0.0.5')).toBe(true)
      askers.closed('10.0.0.5')
    }
    expect(askers.asks('10.0.0.5')).toBe(false)
  })

  it('limits open connections', () => {
    const askers = createAskers(limits, clockAt({ ms: 0 }))
    expect([askers.opened('a'), askers.opened('a'), askers.opened('a')]).toEqual([true, true, false])
    askers.closed('a')
    expect(askers.opened('a')).toBe(true)
  })
})

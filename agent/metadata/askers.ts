import type { Clock } from '../../lib/clock.ts'

export interface AskerLimits {
  /** Open connections of one guest. */
  readonly connections: number
  /** Requests that a guest may make at once, and then each second. */
  readonly burst: number
  readonly perSecond: number
}

interface Asker {
  connections: number
  tokens: number
  countedMs: number
}

/** What each guest of one network uses of the service, so that none can take it from the others. */
export interface Askers {
  /** false where the guest has too many connections open; otherwise `closed` is due later. */
  opened(address: string): boolean
  closed(address: string): void
  /** false where the guest asks too fast. */
  asks(address: string): boolean
}

export function createAskers(limits: AskerLimits, clock: Clock): Askers {
  const askers = new Map<string, Asker>()

  const find = (address: string): Asker => {
    const nowMs = clock.monotonicMs()
    const asker = askers.get(address) ?? { connections: 0, tokens: limits.burst, countedMs: nowMs }
    const earned = ((nowMs - asker.countedMs) / 1000) * limits.perSecond
    asker.tokens = Math.min(limits.burst, asker.tokens + earned)
    asker.countedMs = nowMs
    askers.set(address, asker)
    return asker
  }

  return {
    opened: (address) => {
      const asker = find(address)
      if (asker.connections >= limits.connections) return false
      asker.connections += 1
      return true
    },
    closed: (address) => {
      const asker = find(address)
      asker.connections -= 1
      if (asker.connections === 0 && asker.tokens >= limits.burst) askers.delete(address)
    },
    asks: (address) => {
      const asker = find(address)
      if (asker.tokens < 1) return false
      asker.tokens -= 1
      return true
    },
  }
}

// Where to begin to look for a free address: finding the end of thousands that are taken would take each create as long as
// there are. What is remembered is a hint: it is never above the lowest free address, unless another process has given one
// back, and then those below are found once all others are taken.
import type { Tx } from './rows.ts'

const hints = new WeakMap<object, Map<string, number>>()

function hintsOf(tx: Tx): Map<string, number> {
  const { adapter } = tx.getExecutor()
  const known = hints.get(adapter)
  if (known) return known
  const made = new Map<string, number>()
  hints.set(adapter, made)
  return made
}

export function firstToTry(tx: Tx, networkUid: string, first: number): number {
  return Math.max(first, hintsOf(tx).get(networkUid) ?? first)
}

/** Below it nothing is free. It may be itself: who takes it may give it back with all that his call has done. */
export function noteLowest(tx: Tx, networkUid: string, ipv4: number): void {
  hintsOf(tx).set(networkUid, ipv4)
}

export function noteGivenBack(tx: Tx, networkUid: string, ipv4: number): void {
  const known = hintsOf(tx)
  const hint = known.get(networkUid)
  if (hint !== undefined && ipv4 < hint) known.set(networkUid, ipv4)
}

/** What a transaction has noted that came to nothing. */
export function forgetHints(tx: Tx): void {
  hints.delete(tx.getExecutor().adapter)
}

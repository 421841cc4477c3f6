import type { Tx } from './rows.ts'

const done = new WeakMap<Tx, Set<object>>()

/** For what is due now and then and comes with every call of a kind: once for all of a transaction's is enough. */
export async function onceIn(tx: Tx, what: object, work: () => Promise<unknown>): Promise<void> {
  const known = done.get(tx) ?? new Set()
  if (known.has(what)) return
  done.set(tx, known.add(what))
  await work()
}

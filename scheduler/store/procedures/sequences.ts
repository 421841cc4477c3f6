import { prepare } from './prepared.ts'
import type { Tx } from './rows.ts'

const findValue = prepare((tx: Tx, { name }: { name: string }) =>
  tx.selectFrom('sequences').select('value').where('name', '=', name),
)

const setValue = prepare((tx: Tx, { name, value }: { name: string; value: number }) =>
  tx
    .insertInto('sequences')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value })),
)

/** Read once in a transaction and written once at its end: each create takes several. */
const taken = new WeakMap<Tx, Map<string, number>>()

/**
 * The next value of a named sequence. A transaction that writes has the database to itself, so that the order of values is
 * the order of commits. Those of a call that was taken back are left out.
 */
export async function nextValue(tx: Tx, name: string): Promise<number> {
  const ofTransaction = taken.get(tx) ?? new Map<string, number>()
  taken.set(tx, ofTransaction)
  const value = (ofTransaction.get(name) ?? (await findValue.first(tx, { name }))?.value ?? 0) + 1
  ofTransaction.set(name, value)
  return value
}

/** What has been taken so far: before the commit, and before whoever reads them from their table. */
export async function writeSequences(tx: Tx): Promise<void> {
  for (const [name, value] of taken.get(tx) ?? []) await setValue.run(tx, { name, value })
}

/** What a host that changes is marked with, for whoever keeps a copy of the fleet. */
export const nextHostRevision = (tx: Tx): Promise<number> => nextValue(tx, 'host-revision')

const setRevision = prepare((tx: Tx, { hostId, revision }: { hostId: string; revision: number }) =>
  tx.updateTable('hosts').set({ revision }).where('host_id', '=', hostId),
)

export async function touchHost(tx: Tx, hostId: string): Promise<void> {
  await setRevision.run(tx, { hostId, revision: await nextHostRevision(tx) })
}

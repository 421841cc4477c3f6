import { prepare } from './prepared.ts'
import type { Tx } from './rows.ts'

const takeValue = prepare((tx: Tx, { name }: { name: string }) =>
  tx
    .insertInto('sequences')
    .values({ name, value: 1 })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet((row) => ({ value: row('sequences.value', '+', 1) })),
    )
    .returning('value'),
)

/** The next value of a named sequence. The row's lock makes the order of values the order of commits. */
export async function nextValue(tx: Tx, name: string): Promise<number> {
  const row = await takeValue.first(tx, { name })
  if (row === undefined) throw new Error(`The sequence ${name} has no next value.`)
  return row.value
}

/** What a host that changes is marked with, for whoever keeps a copy of the fleet. */
export const nextHostRevision = (tx: Tx): Promise<number> => nextValue(tx, 'host-revision')

const setRevision = prepare((tx: Tx, { hostId, revision }: { hostId: string; revision: number }) =>
  tx.updateTable('hosts').set({ revision }).where('host_id', '=', hostId),
)

export async function touchHost(tx: Tx, hostId: string): Promise<void> {
  await setRevision.run(tx, { hostId, revision: await nextHostRevision(tx) })
}

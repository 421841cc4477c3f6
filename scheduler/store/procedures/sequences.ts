import type { Tx } from './rows.ts'

/** The next value of a named sequence. The row's lock makes the order of values the order of commits. */
export async function nextValue(tx: Tx, name: string): Promise<number> {
  const row = await tx
    .insertInto('sequences')
    .values({ name, value: 1 })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet((row) => ({ value: row('sequences.value', '+', 1) })),
    )
    .returning('value')
    .executeTakeFirstOrThrow()
  return row.value
}

/** Marks the host as changed for whoever keeps a copy of the fleet. */
export async function touchHost(tx: Tx, hostId: string): Promise<void> {
  const revision = await nextValue(tx, 'host-revision')
  await tx.updateTable('hosts').set({ revision }).where('host_id', '=', hostId).execute()
}

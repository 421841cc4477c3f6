import { instanceUid, projectId } from '../../../proto/ids.ts'
import type { InstanceRecord } from '../../model/instance.ts'
import type { ChangesAfter, InstanceChange } from '../store.ts'
import { prepare, prepareInsert } from './prepared.ts'
import { instanceFromRow, type Tx } from './rows.ts'
import { nextValue, writeSequences } from './sequences.ts'

const deletionsKeptMs = 24 * 3_600_000
const sequence = 'instance-change'
const forgotten = 'instance-change-forgotten'

/** The number of a change, in commit order: the row's lock is held until the commit. */
export const nextChange = (tx: Tx): Promise<number> => nextValue(tx, sequence)

const forgetBefore = prepare((tx: Tx, { beforeMs }: { beforeMs: number }) =>
  tx.deleteFrom('deletions').where('at_ms', '<', beforeMs).returning('change'),
)

const insertDeletion = prepareInsert('deletions', [
  ...(['change', 'instance_uid', 'project', 'id', 'at_ms', 'networks'] as const),
])

/** An instance that is gone is remembered for a day, for those who were not watching. */
export async function rememberDeletion(
  tx: Tx,
  gone: Pick<InstanceRecord, 'uid' | 'project' | 'id' | 'spec'>,
  nowMs: number,
): Promise<void> {
  const old = await forgetBefore.all(tx, { beforeMs: nowMs - deletionsKeptMs })
  if (old.length > 0) {
    const value = Math.max(...old.map(({ change }) => change))
    await tx
      .insertInto('sequences')
      .values({ name: forgotten, value })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
      .execute()
  }
  const change = await nextChange(tx)
  await insertDeletion.run(tx, {
    ...{ change, instance_uid: gone.uid, project: gone.project, id: gone.id, at_ms: nowMs },
    networks: JSON.stringify(gone.spec.nics.flatMap(({ network }) => network?.uid ?? [])),
  })
}

const findPosition = prepare((tx: Tx) =>
  tx.selectFrom('sequences').selectAll().where('name', 'in', [sequence, forgotten]),
)

/** The newest change, and the newest that is not remembered any more. */
async function readPosition(tx: Tx): Promise<{ last: number; forgottenThrough: number }> {
  await writeSequences(tx)
  const rows = await findPosition.all(tx, {})
  const reached = (name: string) => rows.find((row) => row.name === name)?.value ?? 0
  return { last: reached(sequence), forgottenThrough: reached(forgotten) }
}

export interface Window {
  readonly after: number
  readonly limit: number
}

/** Of several kinds of changes, each read in order and no more of them than the limit. */
export async function readAfter<Change extends { readonly change: number }>(
  tx: Tx,
  { after, limit }: Window,
  readers: readonly (() => Promise<readonly Change[]>)[],
): Promise<ChangesAfter<Change>> {
  const { last, forgottenThrough } = await readPosition(tx)
  if (after < forgottenThrough || after > last) return { kind: 'forgotten', last }
  const read: (readonly Change[])[] = []
  for (const reader of readers) read.push(await reader())
  const changes = read.flat()
  const inOrder = changes.toSorted((a, b) => a.change - b.change).slice(0, limit)
  const isAll = changes.length <= limit && read.every(({ length }) => length < limit)
  return { kind: 'changes', changes: inOrder, through: isAll ? last : (inOrder.at(-1)?.change ?? last) }
}

const findChanged = prepare((tx: Tx, { after, limit }: Window) =>
  tx.selectFrom('instances').selectAll().where('change', '>', after).orderBy('change').limit(limit),
)

const findDeleted = prepare((tx: Tx, { after, limit }: Window) =>
  tx.selectFrom('deletions').selectAll().where('change', '>', after).orderBy('change').limit(limit),
)

export const listDeletionsAfter = (tx: Tx, window: Window) => findDeleted.all(tx, window)

/** The latest state of what has changed since, each once; what was deleted since. */
export const readChangesAfter = (tx: Tx, window: Window): Promise<ChangesAfter<InstanceChange>> =>
  readAfter<InstanceChange>(tx, window, [
    async () =>
      (await findChanged.all(tx, window)).map((row) => ({
        ...{ kind: 'changed' as const, change: row.change, instance: instanceFromRow(row) },
      })),
    async () =>
      (await listDeletionsAfter(tx, window)).map((row) => ({
        ...{ kind: 'deleted' as const, change: row.change, uid: instanceUid(row.instance_uid) },
        ...{ project: projectId(row.project), id: row.id },
      })),
  ])

export const readChangePosition = async (tx: Tx): Promise<number> => (await readPosition(tx)).last

import { instanceUid, operationId } from '../../../proto/ids.ts'
import type { IdempotencyKey, IdempotencyOutcome } from '../store.ts'
import { onceIn } from './once.ts'
import { prepare, prepareInsert } from './prepared.ts'
import { instanceFromRow, type Tx } from './rows.ts'

const keepMs = 48 * 3_600_000

/** What a key was used for. It outlives its instance: a late repeat of a create must not make another one. */
export async function findByIdempotencyKey(tx: Tx, input: IdempotencyKey): Promise<IdempotencyOutcome> {
  const known = await findKey(tx, input)
  if (!known) return { kind: 'unused' }
  const row = await findByUid.first(tx, { uid: known.instance_uid })
  if (known.request_hash !== input.requestHash) return { kind: 'other-request' }
  if (!row) return { kind: 'gone', uid: instanceUid(known.instance_uid) }
  return { kind: 'replay', instance: instanceFromRow(row), operationId: operationId(known.operation_id) }
}

/** What was remembered with a key: of an instance, a disk or another resource. */
export const findKey = (tx: Tx, input: IdempotencyKey) => keyOf.first(tx, input)

const keyOf = prepare((tx: Tx, { project, principal, key }: Omit<IdempotencyKey, 'requestHash'>) =>
  tx
    .selectFrom('idempotency_keys')
    .select(['request_hash', 'instance_uid', 'operation_id'])
    .where('project', '=', project)
    .where('principal', '=', principal)
    .where('key', '=', key),
)

const findByUid = prepare((tx: Tx, { uid }: { uid: string }) =>
  tx.selectFrom('instances').selectAll().where('uid', '=', uid),
)

const deleteBefore = prepare((tx: Tx, { beforeMs }: { beforeMs: number }) =>
  tx.deleteFrom('idempotency_keys').where('created_at_ms', '<', beforeMs),
)

const insertKey = prepareInsert('idempotency_keys', [
  ...(['project', 'principal', 'key', 'request_hash'] as const),
  ...(['instance_uid', 'operation_id', 'created_at_ms'] as const),
])

export async function rememberKey(
  tx: Tx,
  input: IdempotencyKey,
  made: { uid: string; operationId: string; nowMs: number },
): Promise<void> {
  await onceIn(tx, deleteBefore, () => deleteBefore.run(tx, { beforeMs: made.nowMs - keepMs }))
  await insertKey.run(tx, {
    ...{ project: input.project, principal: input.principal, key: input.key },
    request_hash: input.requestHash,
    instance_uid: made.uid,
    operation_id: made.operationId,
    created_at_ms: made.nowMs,
  })
}

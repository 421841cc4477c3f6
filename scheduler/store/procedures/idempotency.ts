import type { IdempotencyKey, IdempotencyOutcome } from '../store.ts'
import { instanceFromRow, type Tx } from './rows.ts'

/**
 * What a key was used for. A key whose instance is gone is unused again: the answer that it stands for can't be given
 * any more, and a client that sends it wants the instance.
 */
export async function findByIdempotencyKey(tx: Tx, input: IdempotencyKey): Promise<IdempotencyOutcome> {
  const known = await tx
    .selectFrom('idempotency_keys')
    .select(['request_hash', 'instance_uid'])
    .where('project', '=', input.project)
    .where('principal', '=', input.principal)
    .where('key', '=', input.key)
    .executeTakeFirst()
  if (!known) return { kind: 'unused' }
  const row = await tx
    .selectFrom('instances')
    .selectAll()
    .where('uid', '=', known.instance_uid)
    .executeTakeFirst()
  if (!row) return { kind: 'unused' }
  if (known.request_hash !== input.requestHash) return { kind: 'other-request' }
  return { kind: 'replay', instance: instanceFromRow(row) }
}

export async function rememberKey(
  tx: Tx,
  input: IdempotencyKey,
  made: { uid: string; nowMs: number },
): Promise<void> {
  const values = { request_hash: input.requestHash, instance_uid: made.uid, created_at_ms: made.nowMs }
  await tx
    .insertInto('idempotency_keys')
    .values({ project: input.project, principal: input.principal, key: input.key, ...values })
    .onConflict((conflict) => conflict.columns(['project', 'principal', 'key']).doUpdateSet(values))
    .execute()
}

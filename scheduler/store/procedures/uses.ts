import type { InstanceUid, ResourceUid } from '../../../proto/ids.ts'
import type { Tx } from './rows.ts'

/** false where one of them is gone. The foreign key is behind it. */
export async function writeUses(
  tx: Tx,
  instanceUid: InstanceUid,
  uses: readonly ResourceUid[],
): Promise<boolean> {
  const distinct = [...new Set(uses)]
  if (distinct.length === 0) return true
  if (!(await areThere(tx, distinct))) return false
  const rows = distinct.map((uid) => ({ resource_uid: uid, instance_uid: instanceUid }))
  await tx.insertInto('resource_uses').values(rows).execute()
  return true
}

export async function areThere(tx: Tx, uids: readonly ResourceUid[]): Promise<boolean> {
  const there = await tx.selectFrom('resources').select('uid').where('uid', 'in', uids).execute()
  return there.length === uids.length
}

export async function forgetUses(tx: Tx, instanceUid: InstanceUid): Promise<void> {
  await tx.deleteFrom('resource_uses').where('instance_uid', '=', instanceUid).execute()
}

import type { InstanceUid, ResourceUid } from '../../../proto/ids.ts'
import { prepare } from './prepared.ts'
import type { Tx } from './rows.ts'

const insertUse = prepare(
  (tx: Tx, { resourceUid, instanceUid }: { resourceUid: string; instanceUid: string }) =>
    tx
      .insertInto('resource_uses')
      .columns(['resource_uid', 'instance_uid'])
      .expression((from) =>
        from
          .selectFrom('resources')
          .select((row) => ['uid', row.val(instanceUid).as('instance_uid')])
          .where('uid', '=', resourceUid),
      ),
)

/** false where one of them is gone. The foreign key is behind it. */
export async function writeUses(
  tx: Tx,
  instanceUid: InstanceUid,
  uses: readonly ResourceUid[],
): Promise<boolean> {
  for (const resourceUid of new Set(uses)) {
    if ((await insertUse.run(tx, { resourceUid, instanceUid })) === 0) return false
  }
  return true
}

export async function areThere(tx: Tx, uids: readonly ResourceUid[]): Promise<boolean> {
  const there = await tx.selectFrom('resources').select('uid').where('uid', 'in', uids).execute()
  return there.length === uids.length
}

const deleteUses = prepare((tx: Tx, { instanceUid }: { instanceUid: string }) =>
  tx.deleteFrom('resource_uses').where('instance_uid', '=', instanceUid),
)

export async function forgetUses(tx: Tx, instanceUid: InstanceUid): Promise<void> {
  await deleteUses.run(tx, { instanceUid })
}

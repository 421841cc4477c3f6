import type { InstanceUid, ResourceUid } from '../../../proto/ids.ts'
import { prepare, prepareForEach } from './prepared.ts'
import type { Tx } from './rows.ts'

type Use = Readonly<Record<string, string>>

const insertUses = prepareForEach((count) =>
  prepare((tx: Tx, use: Use) =>
    tx
      .insertInto('resource_uses')
      .columns(['resource_uid', 'instance_uid'])
      .expression((from) =>
        from
          .selectFrom('resources')
          .select((row) => ['uid', row.val(use['instance'] ?? '').as('instance_uid')])
          .where(
            'uid',
            'in',
            Array.from({ length: count }, (_, index) => use[index] ?? ''),
          ),
      ),
  ),
)

/** false where one of them is gone. The foreign key is behind it. */
export async function writeUses(
  tx: Tx,
  instance: InstanceUid,
  uses: readonly ResourceUid[],
): Promise<boolean> {
  const resources = [...new Set(uses)]
  if (resources.length === 0) return true
  const use = { ...Object.fromEntries(resources.entries()), instance }
  return (await insertUses(resources.length).run(tx, use)) === resources.length
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

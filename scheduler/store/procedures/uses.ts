import type { InstanceUid, ResourceUid } from '../../../proto/ids.ts'
import type { Collection, StoredResource } from '../../model/resource.ts'
import { prepare, prepareForEach, prepareInsert } from './prepared.ts'
import type { Tx } from './rows.ts'

type Uids = readonly string[]

const findThere = prepareForEach((count) =>
  prepare((tx: Tx, uids: Uids) =>
    tx
      .selectFrom('resources')
      .select(['uid', 'collection'])
      .where(
        'uid',
        'in',
        Array.from({ length: count }, (_, index) => uids[index] ?? ''),
      ),
  ),
)

const insertUses = prepareInsert('resource_uses', ['instance_uid', 'resource_uid'])

/** An instance says itself in which project it is, and a network has one subnet: rows would only say it again. */
const toldOtherwise: ReadonlySet<string> = new Set<Collection>(['projects', 'subnets'])

/** false where one of them is gone. The foreign key is behind it. */
export async function writeUses(
  tx: Tx,
  instance: InstanceUid,
  uses: readonly ResourceUid[],
): Promise<boolean> {
  const resources = [...new Set(uses)]
  if (resources.length === 0) return true
  const there = await findThere(resources.length).all(tx, resources)
  const own = there.filter(({ collection }) => !toldOtherwise.has(collection))
  await insertUses.run(tx, ...own.map(({ uid }) => ({ instance_uid: instance, resource_uid: uid })))
  return there.length === resources.length
}

/** The first few of those that use it. */
export async function findUsingInstances(
  tx: Tx,
  { uid, collection, parentUid, id }: StoredResource,
  limit: number,
): Promise<readonly { readonly id: string }[]> {
  const instances = tx.selectFrom('instances').select('instances.id').orderBy('instances.uid').limit(limit)
  if (collection === 'projects') return instances.where('instances.project', '=', id).execute()
  return instances
    .innerJoin('resource_uses', 'resource_uses.instance_uid', 'instances.uid')
    .where('resource_uid', '=', collection === 'subnets' ? (parentUid ?? uid) : uid)
    .execute()
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

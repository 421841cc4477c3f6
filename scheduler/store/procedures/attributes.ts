import type { InstanceUid } from '../../../proto/ids.ts'
import { attributesOf } from '../../model/attributes.ts'
import type { InstanceDetails } from '../../model/instance.ts'
import { prepare, prepareInsert } from './prepared.ts'
import type { Tx } from './rows.ts'

const insertAttributes = prepareInsert('attributes', ['instance_uid', 'name', 'value'])
const deleteAttributes = prepare((tx: Tx, { uid }: { uid: string }) =>
  tx.deleteFrom('attributes').where('instance_uid', '=', uid),
)

/** What a filter can ask for and no column of the instance holds. */
export async function writeAttributes(tx: Tx, uid: InstanceUid, details: InstanceDetails): Promise<void> {
  const rows = attributesOf(details).map(([name, value]) => ({ instance_uid: uid, name, value }))
  await insertAttributes.run(tx, ...rows)
}

export async function forgetAttributes(tx: Tx, uid: InstanceUid): Promise<void> {
  await deleteAttributes.run(tx, { uid })
}

import type { InstanceUid } from '../../../proto/ids.ts'
import { attributesOf } from '../../model/attributes.ts'
import type { InstanceDetails } from '../../model/instance.ts'
import { prepare, prepareInsert } from './prepared.ts'
import type { Tx } from './rows.ts'

const insertAttribute = prepareInsert('attributes', ['instance_uid', 'name', 'value'])
const deleteAttributes = prepare((tx: Tx, { uid }: { uid: string }) =>
  tx.deleteFrom('attributes').where('instance_uid', '=', uid),
)

/** What a filter can ask for and no column of the instance holds. */
export async function writeAttributes(tx: Tx, uid: InstanceUid, details: InstanceDetails): Promise<void> {
  for (const [name, value] of attributesOf(details)) {
    await insertAttribute.run(tx, { instance_uid: uid, name, value })
  }
}

export async function forgetAttributes(tx: Tx, uid: InstanceUid): Promise<void> {
  await deleteAttributes.run(tx, { uid })
}

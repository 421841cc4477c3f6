import type { InstanceUid } from '../../../proto/ids.ts'
import { attributesOf } from '../../model/attributes.ts'
import type { InstanceDetails } from '../../model/instance.ts'
import type { Tx } from './rows.ts'

/** What a filter can ask for and no column of the instance holds, kept in step with the details. */
export async function writeAttributes(tx: Tx, uid: InstanceUid, details: InstanceDetails): Promise<void> {
  await tx.deleteFrom('attributes').where('instance_uid', '=', uid).execute()
  const rows = attributesOf(details).map(([name, value]) => ({ instance_uid: uid, name, value }))
  await tx.insertInto('attributes').values(rows).execute()
}

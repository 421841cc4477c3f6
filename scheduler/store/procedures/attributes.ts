import type { InstanceUid } from '../../../proto/ids.ts'
import type { InstanceDetails } from '../../model/instance.ts'
import type { Tx } from './rows.ts'

/** What a filter can ask for and no column of the instance holds, kept in step with the details. */
export async function writeAttributes(tx: Tx, uid: InstanceUid, details: InstanceDetails): Promise<void> {
  await tx.deleteFrom('attributes').where('instance_uid', '=', uid).execute()
  const { type, hostname, displayName, labels } = details
  const pairs: readonly (readonly [string, string])[] = [
    // The path, and its last part: both are written.
    ...[...new Set([type, type.slice(type.lastIndexOf('/') + 1)])].map((value) => ['type', value] as const),
    ['hostname', hostname],
    ...(displayName === undefined ? [] : [['displayName', displayName] as const]),
    ...Object.entries(labels).map(([key, value]) => [`labels.${key}`, value] as const),
  ]
  const rows = pairs.map(([name, value]) => ({ instance_uid: uid, name, value }))
  await tx.insertInto('attributes').values(rows).execute()
}

import { resourceUid } from '../../../proto/ids.ts'
import type { Collection, StoredResource } from '../../model/resource.ts'
import type { ResourceRow } from '../tables.ts'
import type { Tx } from './rows.ts'
import { nextValue } from './sequences.ts'

export function resourceFromRow(row: ResourceRow): StoredResource {
  return {
    uid: resourceUid(row.uid),
    collection: row.collection as Collection,
    scope: row.scope,
    id: row.id,
    ...(row.parent_uid === null ? {} : { parentUid: resourceUid(row.parent_uid) }),
    body: JSON.parse(row.body) as StoredResource['body'],
    isDeclared: row.is_declared === 1,
    revision: row.revision,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
  }
}

/** In commit order, for whoever keeps a copy. */
export const nextResourceChange = (tx: Tx): Promise<number> => nextValue(tx, 'resource-change')

export async function findResource(tx: Tx, uid: string): Promise<StoredResource | undefined> {
  const row = await tx.selectFrom('resources').selectAll().where('uid', '=', uid).executeTakeFirst()
  return row && resourceFromRow(row)
}

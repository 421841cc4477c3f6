import { type Labels, patchLabels } from '../../model/label-patch.ts'
import { type LabelHost, type LabelHostOutcome, maximumHostLabels } from '../host-store.ts'
import type { Tx } from './rows.ts'
import { touchHost } from './sequences.ts'

/** What an operator writes on a host; applied to what is there now, so that two who write at once both have their say. */
export async function labelHost(tx: Tx, { hostId, patch, nowMs }: LabelHost): Promise<LabelHostOutcome> {
  const row = await tx.selectFrom('hosts').select('labels').where('host_id', '=', hostId).executeTakeFirst()
  if (row === undefined) return { kind: 'not-found' }
  const labels = patchLabels(JSON.parse(row.labels) as Labels, patch)
  if (Object.keys(labels).length > maximumHostLabels) return { kind: 'too-many' }
  await tx
    .updateTable('hosts')
    .set({ labels: JSON.stringify(labels), updated_at_ms: nowMs })
    .where('host_id', '=', hostId)
    .execute()
  await touchHost(tx, hostId)
  return { kind: 'done', labels }
}

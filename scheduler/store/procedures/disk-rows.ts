import { fromBinary } from '@bufbuild/protobuf'
import { ImageSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import {
  diskUid,
  hostId,
  instanceUid,
  operationId,
  type ProjectId,
  projectId,
  zoneId,
} from '../../../proto/ids.ts'
import type { DiskRecord, DiskStatus } from '../../model/disk.ts'
import type { ListDisks } from '../store.ts'
import type { DiskRow } from '../tables.ts'
import { prepare } from './prepared.ts'
import type { Tx } from './rows.ts'

export interface DiskWithUser extends DiskRow {
  readonly user_id: string | null
}

const disksWithUsers = (tx: Tx) =>
  tx
    .selectFrom('disks')
    .leftJoin('instances', 'instances.uid', 'disks.instance_uid')
    .selectAll('disks')
    .select('instances.id as user_id')

/** By name or uid, as instances are. */
export async function findDiskRow(
  tx: Tx,
  project: ProjectId,
  idOrUid: string,
): Promise<DiskWithUser | undefined> {
  return disksWithUsers(tx)
    .where('disks.project', '=', project)
    .where((row) => row.or([row('disks.uid', '=', idOrUid), row('disks.id', '=', idOrUid)]))
    .executeTakeFirst()
}

export async function findDisk(tx: Tx, project: ProjectId, idOrUid: string): Promise<DiskRecord | undefined> {
  const row = await findDiskRow(tx, project, idOrUid)
  return row && diskFromRow(row)
}

/** By name. */
export async function listDisks(tx: Tx, input: ListDisks): Promise<readonly DiskRecord[]> {
  let query = disksWithUsers(tx).where('disks.project', '=', input.project)
  if (input.afterId !== undefined) query = query.where('disks.id', '>', input.afterId)
  const rows = await query.orderBy('disks.id').limit(input.limit).execute()
  return rows.map(diskFromRow)
}

const ofInstance = prepare((tx: Tx, { instanceUid }: { instanceUid: string }) =>
  tx.selectFrom('disks').selectAll().where('instance_uid', '=', instanceUid),
)

export async function disksOf(tx: Tx, instanceUid: string): Promise<readonly DiskRow[]> {
  const rows = await ofInstance.all(tx, { instanceUid })
  // Mostly there are none, and the database would set up a sort for them.
  return rows.toSorted((a, b) => (a.uid < b.uid ? -1 : 1))
}

export function diskFromRow(row: DiskWithUser): DiskRecord {
  const { instance_uid: user, user_id: userId } = row
  return {
    uid: diskUid(row.uid),
    project: projectId(row.project),
    id: row.id,
    zone: zoneId(row.zone),
    sizeGb: row.size_gb,
    ...(row.source === null ? {} : { source: row.source }),
    ...(row.image === null ? {} : { image: fromBinary(ImageSchema, row.image) }),
    ...(row.description === null ? {} : { description: row.description }),
    labels: JSON.parse(row.labels) as DiskRecord['labels'],
    ...(row.host_id === null ? {} : { hostId: hostId(row.host_id) }),
    ...(user === null || userId === null ? {} : { user: { uid: instanceUid(user), id: userId } }),
    isMade: row.made === 1,
    status: row.status as DiskStatus,
    statusMessage: row.status_message,
    operationId: operationId(row.operation_id),
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
    revision: row.revision,
  }
}

import { create, toBinary } from '@bufbuild/protobuf'
import { EnsureDiskSchema } from '../../../proto/gen/berth/agent/v1/disk_pb.ts'
import { DesiredState, ImageSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { diskUid, hostId, operationId } from '../../../proto/ids.ts'
import type { DiskRecord } from '../../model/disk.ts'
import type {
  CreateDisk,
  CreateDiskOutcome,
  DeleteDisk,
  DeleteDiskOutcome,
  DiskKeyOutcome,
  IdempotencyKey,
  UpdateDisk,
  UpdateDiskOutcome,
} from '../store.ts'
import { claimDiskRoom, giveDiskRoomBack } from './claims.ts'
import { type DiskWithUser, diskFromRow, findDiskRow } from './disk-rows.ts'
import { findKey, rememberKey } from './idempotency.ts'
import { startOperation } from './operations.ts'
import { queueCommand } from './outbox.ts'
import { zoneIsThere } from './places.ts'
import { giveQuotaBack, takeQuota } from './quotas.ts'
import { Refused } from './refused.ts'
import type { Tx } from './rows.ts'
import { areThere } from './uses.ts'

const noOperation = operationId('')

/** What a key was used for, where that was a disk. */
export async function findDiskByKey(tx: Tx, key: IdempotencyKey): Promise<DiskKeyOutcome> {
  const known = await findKey(tx, key)
  if (!known) return { kind: 'unused' }
  if (known.request_hash !== key.requestHash) return { kind: 'other-request' }
  const row = await findDiskRow(tx, key.project, known.instance_uid)
  if (!row) return { kind: 'gone', uid: known.instance_uid }
  return { kind: 'replay', disk: diskFromRow(row), operationId: operationId(known.operation_id) }
}

/** A row and its quota: nothing is on a host before the first use. @throws Refused */
export async function createDisk(tx: Tx, input: CreateDisk): Promise<CreateDiskOutcome> {
  if (input.idempotency) {
    const known = await findDiskByKey(tx, input.idempotency)
    if (known.kind !== 'unused') return known
  }
  const { uid, project, id, nowMs } = input
  if (await findDiskRow(tx, project, id)) return { kind: 'name-taken' }
  const used = [input.projectUid, ...(input.imageUid === undefined ? [] : [input.imageUid])]
  if (!(await areThere(tx, used)) || !(await zoneIsThere(tx, input.zone))) return { kind: 'resource-gone' }
  await takeQuota(tx, project, { disksGb: input.sizeGb })
  const row = await tx
    .insertInto('disks')
    .values({
      ...{ uid, project, id, zone: input.zone, size_gb: input.sizeGb },
      ...{ project_uid: input.projectUid, image_uid: input.imageUid ?? null },
      source: input.source ?? null,
      image: input.image ? toBinary(ImageSchema, input.image) : null,
      description: input.description ?? null,
      labels: JSON.stringify(input.labels),
      ...{ host_id: null, instance_uid: null, detaching: 0, made: 0, generation: 1, revision: 1 },
      ...{ status: 'READY', status_message: 'Ready; its first use decides on which host it lives.' },
      ...{ operation_id: noOperation, created_at_ms: nowMs, updated_at_ms: nowMs },
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  if (input.idempotency) await rememberKey(tx, input.idempotency, { uid, operationId: noOperation, nowMs })
  return { kind: 'created', disk: diskFromRow({ ...row, user_id: null }) }
}

/** Of a disk that no instance has; what is grown here is grown on the host at the next use. @throws Refused */
export async function updateDisk(tx: Tx, input: UpdateDisk): Promise<UpdateDiskOutcome> {
  if (input.idempotency) {
    const known = await findDiskByKey(tx, input.idempotency)
    if (known.kind !== 'unused') return known
  }
  const row = await findDiskRow(tx, input.project, input.idOrUid)
  if (!row) return { kind: 'not-found' }
  if (input.ifRevision !== row.revision) return { kind: 'revision-mismatch', revision: row.revision }
  if (row.instance_uid !== null && input.sizeGb !== row.size_gb) return { kind: 'in-use' }
  const disk = await writeDisk(tx, row, input)
  if (input.idempotency) {
    await rememberKey(tx, input.idempotency, { ...input, uid: diskUid(row.uid), operationId: noOperation })
  }
  return { kind: 'updated', disk }
}

/** Grows are claimed: of the project's quota, and of the host that it lives on. @throws Refused */
export async function writeDisk(
  tx: Tx,
  before: DiskWithUser,
  { sizeGb, description, labels, nowMs }: Pick<UpdateDisk, 'sizeGb' | 'description' | 'labels' | 'nowMs'>,
): Promise<DiskRecord> {
  const moreGb = sizeGb - before.size_gb
  if (moreGb > 0) await takeQuota(tx, before.project, { disksGb: moreGb })
  if (moreGb > 0 && before.host_id !== null) {
    const lost = await claimDiskRoom(tx, before.host_id, moreGb)
    if (lost) throw new Refused(lost)
  }
  const row = await tx
    .updateTable('disks')
    .set({
      ...{ size_gb: sizeGb, description: description ?? null, labels: JSON.stringify(labels) },
      ...{ revision: before.revision + 1, updated_at_ms: nowMs },
    })
    .where('uid', '=', before.uid)
    .returningAll()
    .executeTakeFirstOrThrow()
  return diskFromRow({ ...row, user_id: before.user_id })
}

/** One that has never been on a host is gone at once; another when its host has proved that nothing is left. */
export async function deleteDisk(tx: Tx, input: DeleteDisk): Promise<DeleteDiskOutcome> {
  const row = await findDiskRow(tx, input.project, input.idOrUid)
  if (!row) return { kind: 'not-found' }
  if (input.ifRevision !== undefined && input.ifRevision !== row.revision) {
    return { kind: 'revision-mismatch', revision: row.revision }
  }
  if (row.instance_uid !== null) return { kind: 'in-use', instance: row.user_id ?? row.instance_uid }
  if (row.status === 'DELETING') return { kind: 'deleting', disk: diskFromRow(row) }
  if (row.host_id === null) {
    await removeDisk(tx, row)
    return { kind: 'gone', disk: { ...diskFromRow(row), status: 'DELETING', statusMessage: 'Deleted.' } }
  }
  const generation = row.generation + 1
  const after = await tx
    .updateTable('disks')
    .set({
      ...{ status: 'DELETING', status_message: 'Being deleted: its host removes it.', generation },
      ...{ operation_id: input.operationId, revision: row.revision + 1, updated_at_ms: input.nowMs },
    })
    .where('uid', '=', row.uid)
    .returningAll()
    .executeTakeFirstOrThrow()
  const disk = diskFromRow({ ...after, user_id: null })
  await startOperation(tx, {
    ...{ ...input, verb: 'delete', collection: 'disks' },
    instance: { project: disk.project, id: disk.id, uid: disk.uid, generation },
  })
  await queueCommand(tx, {
    ...{ hostId: hostId(row.host_id), commandId: input.commandId, requestId: input.requestId },
    ...{ uid: row.uid, generation },
    body: {
      case: 'ensureDisk',
      value: create(EnsureDiskSchema, { desiredState: DesiredState.ABSENT }),
    },
  })
  return { kind: 'deleting', disk }
}

/** Only proof leads here: it was never on a host, or its host has said that nothing is left, or is fenced. */
export async function removeDisk(
  tx: Tx,
  { uid, project, host_id, size_gb }: Pick<DiskWithUser, 'uid' | 'project' | 'host_id' | 'size_gb'>,
): Promise<void> {
  if (host_id !== null) await giveDiskRoomBack(tx, host_id, size_gb)
  await giveQuotaBack(tx, project, { disksGb: size_gb })
  await tx.deleteFrom('disks').where('uid', '=', uid).execute()
}

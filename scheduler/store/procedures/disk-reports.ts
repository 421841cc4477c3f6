import { DiskPhase } from '../../../proto/gen/berth/agent/v1/disk_pb.ts'
import type { HostId } from '../../../proto/ids.ts'
import type { DiskRecord } from '../../model/disk.ts'
import type { ApplyDiskObservation, ApplyDiskObservationOutcome } from '../store.ts'
import { giveDiskRoomBack } from './claims.ts'
import { diskFromRow } from './disk-rows.ts'
import { removeDisk } from './disks.ts'
import { endOperationsOfDeleted } from './operations.ts'
import type { Tx } from './rows.ts'

/** One report of a host about a disk that is to go. Only the proof that nothing is left removes it. */
export async function applyDiskObservation(
  tx: Tx,
  { hostId, observation, nowMs }: ApplyDiskObservation,
): Promise<ApplyDiskObservationOutcome> {
  const { uid, generation, epoch, phase, message } = observation
  const row = await tx
    .selectFrom('disks')
    .innerJoin('hosts', 'hosts.host_id', 'disks.host_id')
    .selectAll('disks')
    .select('hosts.epoch as epoch')
    .where('disks.uid', '=', uid)
    .where('disks.host_id', '=', hostId)
    .executeTakeFirst()
  if (!row) return { kind: 'unknown', message: `No disk ${uid} is on ${hostId}.` }
  if (row.status !== 'DELETING' || epoch < row.epoch || generation < row.generation) {
    return { kind: 'stale', message: `The report is of generation ${generation} in epoch ${epoch}.` }
  }
  if (phase === DiskPhase.ABSENT) {
    await removeDisk(tx, row)
    await endOperationsOfDeleted(tx, uid, nowMs)
    return { kind: 'removed' }
  }
  if (message === row.status_message) return { kind: 'unchanged' }
  await tx.updateTable('disks').set({ status_message: message }).where('uid', '=', uid).execute()
  return { kind: 'applied' }
}

/** Disks that this host is to remove. */
export async function listDisksToRemove(
  tx: Tx,
  hostId: HostId,
): Promise<readonly (DiskRecord & { readonly generation: number })[]> {
  const rows = await tx
    .selectFrom('disks')
    .selectAll()
    .where('host_id', '=', hostId)
    .where('status', '=', 'DELETING')
    .execute()
  return rows.map((row) => ({ ...diskFromRow({ ...row, user_id: null }), generation: row.generation }))
}

const lost = 'The host that it lived on was lost for good, with its data. Delete it, and create another.'

/** Its disks went with the host: those that were to be deleted are gone, the others say so and hold nothing there. */
export async function loseDisks(tx: Tx, hostId: HostId, nowMs: number): Promise<void> {
  const rows = await tx.selectFrom('disks').selectAll().where('host_id', '=', hostId).execute()
  for (const row of rows) {
    if (row.status === 'DELETING') {
      await removeDisk(tx, row)
      await endOperationsOfDeleted(tx, row.uid, nowMs)
      continue
    }
    await giveDiskRoomBack(tx, hostId, row.size_gb)
    await tx
      .updateTable('disks')
      .set({
        ...{ status: 'FAILED', status_message: lost, host_id: null, instance_uid: null, detaching: 0 },
        ...{ revision: row.revision + 1, updated_at_ms: nowMs },
      })
      .where('uid', '=', row.uid)
      .execute()
  }
}

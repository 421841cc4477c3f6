import type { ClaimLost } from '../store.ts'
import { checkSlotDevices } from './device-claims.ts'
import type { Tx } from './rows.ts'

/** Into a place that is kept for it: what it needs is claimed already. undefined when the place was free. */
export async function enterSlot(
  tx: Tx,
  { uid, hostId, project, slotUid }: { uid: string; hostId: string; project: string; slotUid: string },
): Promise<ClaimLost | undefined> {
  const host = await tx.selectFrom('hosts').select('state').where('host_id', '=', hostId).executeTakeFirst()
  if (host?.state !== 'ready') {
    return { kind: 'claim-lost', what: 'host', message: 'the host takes no instances' }
  }
  const unfit = await checkSlotDevices(tx, { hostId, project, slotUid })
  if (unfit) return unfit
  const entered = await tx
    .updateTable('reservation_slots')
    .set({ instance_uid: uid })
    .where('uid', '=', slotUid)
    .where('host_id', '=', hostId)
    .where('instance_uid', 'is', null)
    .executeTakeFirst()
  if (entered.numUpdatedRows !== 1n) {
    return { kind: 'claim-lost', what: 'host', message: 'the place of the reservation is taken' }
  }
  await tx.updateTable('device_claims').set({ instance_uid: uid }).where('slot_uid', '=', slotUid).execute()
  return undefined
}

/** The place is free for the next one, with all that it holds. */
export async function leaveSlot(tx: Tx, uid: string): Promise<void> {
  await tx
    .updateTable('device_claims')
    .set({ instance_uid: null })
    .where('instance_uid', '=', uid)
    .where('slot_uid', 'is not', null)
    .execute()
  await tx
    .updateTable('reservation_slots')
    .set({ instance_uid: null })
    .where('instance_uid', '=', uid)
    .execute()
}

// Capacity that is kept for instances which are not there yet. It is claimed like an instance's, host by host, and counts
// against the project's quota for as long as it is kept.
import { hostId, type ProjectId, pciAddress, slotUid } from '../../../proto/ids.ts'
import type { Demand } from '../../model/placement.ts'
import { computeAmounts, storageAmounts } from '../../model/quota.ts'
import { type ReservationSlot, type StoredReservation, scopeOf } from '../../model/resource.ts'
import type { ReservationSlotRow } from '../tables.ts'
import { claimCapacity, giveBack } from './claims.ts'
import { claimDevices } from './device-claims.ts'
import { giveQuotaBack, takeQuota } from './quotas.ts'
import { Refused } from './refused.ts'
import { resourceFromRow } from './resource-rows.ts'
import type { Tx } from './rows.ts'
import { touchHost } from './sequences.ts'

/** All of them or none. @throws Refused */
export async function takeSlots(
  tx: Tx,
  {
    reservationUid,
    project,
    slots,
  }: { reservationUid: string; project: string; slots: readonly ReservationSlot[] },
): Promise<void> {
  for (const { uid, hostId, demand, devices } of slots) {
    await takeQuota(tx, project, amountsOf(demand))
    const lost = await claimCapacity(tx, { hostId, demand })
    if (lost) throw new Refused(lost)
    await tx
      .insertInto('reservation_slots')
      .values({
        ...{ uid, reservation_uid: reservationUid, project, host_id: hostId },
        ...{ demand: JSON.stringify(demand), instance_uid: null },
      })
      .execute()
    const lostDevice = await claimDevices(tx, { hostId, project, slotUid: uid, devices })
    if (lostDevice) throw new Refused(lostDevice)
  }
}

export async function giveReservationBack(tx: Tx, reservationUid: string): Promise<void> {
  const rows = await tx
    .selectFrom('reservation_slots')
    .selectAll()
    .where('reservation_uid', '=', reservationUid)
    .execute()
  for (const row of rows) await giveSlotBack(tx, row)
}

/** Of a host that is gone for good. Whoever was in them has let go already. */
export async function loseSlots(tx: Tx, hostId: string): Promise<void> {
  const rows = await tx.selectFrom('reservation_slots').selectAll().where('host_id', '=', hostId).execute()
  for (const row of rows) await giveSlotBack(tx, row)
}

async function giveSlotBack(tx: Tx, { uid, project, host_id, ...row }: ReservationSlotRow): Promise<void> {
  const demand = JSON.parse(row.demand) as Demand
  await giveBack(tx, host_id, demand)
  await tx.deleteFrom('device_claims').where('slot_uid', '=', uid).execute()
  await giveQuotaBack(tx, project, amountsOf(demand))
  await tx.deleteFrom('reservation_slots').where('uid', '=', uid).execute()
  await touchHost(tx, host_id)
}

const amountsOf = (demand: Demand) => ({ ...computeAmounts(demand), ...storageAmounts(demand, 0) })

export async function listReservations(tx: Tx, project: ProjectId): Promise<readonly StoredReservation[]> {
  const rows = await tx
    .selectFrom('resources')
    .selectAll()
    .where('collection', '=', 'reservations')
    .where('scope', '=', scopeOf.project(project))
    .orderBy('id')
    .execute()
  const slots = await tx
    .selectFrom('reservation_slots')
    .leftJoin('instances', 'instances.uid', 'reservation_slots.instance_uid')
    .selectAll('reservation_slots')
    .select('instances.id as user')
    .where('reservation_slots.project', '=', project)
    .orderBy('reservation_slots.uid')
    .execute()
  const devices = await tx
    .selectFrom('device_claims')
    .innerJoin('reservation_slots', 'reservation_slots.uid', 'device_claims.slot_uid')
    .select(['device_claims.slot_uid', 'device_claims.address'])
    .where('reservation_slots.project', '=', project)
    .orderBy('device_claims.address')
    .execute()
  const slotOf = ({ uid, host_id, demand, user }: (typeof slots)[number]) => ({
    ...{ uid: slotUid(uid), hostId: hostId(host_id), demand: JSON.parse(demand) as Demand },
    devices: devices.filter(({ slot_uid }) => slot_uid === uid).map(({ address }) => pciAddress(address)),
    ...(user === null ? {} : { user }),
  })
  return rows.map((row) => ({
    ...resourceFromRow(row),
    slots: slots.filter(({ reservation_uid }) => reservation_uid === row.uid).map(slotOf),
  }))
}

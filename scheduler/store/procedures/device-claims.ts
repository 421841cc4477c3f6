// Who has which device: one row for each that is taken, and the same predicate as placement's before it is.
import type { PciAddress } from '../../../proto/ids.ts'
import { type DeviceWish, describeTrouble, type UnscrubbedPolicy } from '../../model/device.ts'
import type { ClaimLost } from '../store.ts'
import type { DeviceClaimRow } from '../tables.ts'
import { conditionFromRow } from './device-condition.ts'
import { prepare } from './prepared.ts'
import type { Tx } from './rows.ts'

const lost = (message: string): ClaimLost => ({ kind: 'claim-lost', what: 'device', message })

/** An instance, or a place that is kept for one. */
interface Claimant {
  readonly hostId: string
  readonly project: string
  readonly uid?: string
  readonly slotUid?: string
}

/** Takes the exact devices for whom is there already; undefined when all of them were free. */
export async function claimDevices(
  tx: Tx,
  { devices, ...claimant }: Claimant & { devices: readonly PciAddress[] },
): Promise<ClaimLost | undefined> {
  if (devices.length === 0) return undefined
  const wish = await readWish(tx, claimant)
  for (const address of devices) {
    const taken = await claimDevice(tx, { ...claimant, address }, wish)
    if (taken) return taken
  }
  return undefined
}

const findDevice = prepare((tx: Tx, { hostId, address }: { hostId: string; address: string }) =>
  tx
    .selectFrom('devices')
    .select(['accelerator_type', 'present', 'state', 'reason', 'unscrubbed_project'])
    .select(['generation', 'command_generation', 'command_error_reason'])
    .where('host_id', '=', hostId)
    .where('address', '=', address),
)

const insertClaim = prepare((tx: Tx, { host_id, address, instance_uid, slot_uid }: DeviceClaimRow) =>
  tx
    .insertInto('device_claims')
    .values({ host_id, address, instance_uid, slot_uid })
    .onConflict((conflict) => conflict.columns(['host_id', 'address']).doNothing()),
)

async function claimDevice(
  tx: Tx,
  claim: Claimant & { address: PciAddress },
  wish: DeviceWish,
): Promise<ClaimLost | undefined> {
  const device = await findDevice.first(tx, { hostId: claim.hostId, address: claim.address })
  if (device === undefined) return lost(`device ${claim.address} is not there`)
  const trouble = describeTrouble(conditionFromRow(device), wish)
  if (trouble !== undefined) return lost(`device ${claim.address} ${trouble}`)
  // Its type may have gone since it was chosen.
  if (device.accelerator_type === null) return lost(`no type names device ${claim.address}`)
  const inserted = await insertClaim.run(tx, {
    ...{ host_id: claim.hostId, address: claim.address },
    ...{ instance_uid: claim.uid ?? null, slot_uid: claim.slotUid ?? null },
  })
  return inserted === 1 ? undefined : lost(`device ${claim.address} is taken`)
}

/** Of a place that has its devices already: whether a guest can have them now. */
export async function checkSlotDevices(
  tx: Tx,
  { slotUid, ...claimant }: Claimant & { slotUid: string },
): Promise<ClaimLost | undefined> {
  const wish = await readWish(tx, claimant)
  const devices = await tx
    .selectFrom('device_claims')
    .innerJoin('devices', (join) =>
      join
        .onRef('devices.host_id', '=', 'device_claims.host_id')
        .onRef('devices.address', '=', 'device_claims.address'),
    )
    .selectAll('devices')
    .where('device_claims.slot_uid', '=', slotUid)
    .orderBy('devices.address')
    .execute()
  for (const device of devices) {
    const trouble = describeTrouble(conditionFromRow(device), wish)
    if (trouble !== undefined) return lost(`device ${device.address} ${trouble}`)
  }
  return undefined
}

const findPolicy = prepare((tx: Tx, { hostId }: { hostId: string }) =>
  tx.selectFrom('hosts').select('unscrubbed_devices').where('host_id', '=', hostId),
)

async function readWish(
  tx: Tx,
  { hostId, project }: Pick<Claimant, 'hostId' | 'project'>,
): Promise<DeviceWish> {
  const host = await findPolicy.first(tx, { hostId })
  return { project, policy: (host?.unscrubbed_devices ?? 'quarantine') as UnscrubbedPolicy }
}

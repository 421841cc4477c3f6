import { sql } from 'kysely'
import type { Holding } from '../../model/instance.ts'
import type { Demand, HostState } from '../../model/placement.ts'
import type { ClaimLost } from '../store.ts'
import { noteGivenBack } from './address-hints.ts'
import { claimCells, giveCellsBack } from './cell-claims.ts'
import { checkLabels, forgetOccupant, restOccupant } from './occupants.ts'
import { prepare } from './prepared.ts'
import type { Tx } from './rows.ts'
import { nextHostRevision, touchHost } from './sequences.ts'
import { leaveSlot } from './slots.ts'

const lost = (what: ClaimLost['what'], message: string): ClaimLost => ({ kind: 'claim-lost', what, message })

const findCapacity = prepare((tx: Tx, { hostId }: { hostId: string }) =>
  tx
    .selectFrom('hosts')
    .select(['state', 'zone', 'vcpus_used', 'vcpus_capacity', 'memory_mib_used', 'memory_mib_capacity'])
    .select(['disk_gb_used', 'disk_gb_capacity', 'labels'])
    .where('host_id', '=', hostId),
)

type Taken = Pick<Demand, 'vcpus' | 'memoryMib' | 'diskGb'> & { readonly hostId: string }

const takeCapacity = prepare(
  (
    tx: Tx,
    { hostId, zone, vcpus, memoryMib, diskGb, revision }: Taken & { zone: string; revision: number },
  ) =>
    tx
      .updateTable('hosts')
      .set((row) => ({
        vcpus_used: row('vcpus_used', '+', vcpus),
        memory_mib_used: row('memory_mib_used', '+', memoryMib),
        disk_gb_used: row('disk_gb_used', '+', diskGb),
        revision,
      }))
      .where('host_id', '=', hostId)
      .where('state', '=', 'ready' satisfies HostState)
      .where('zone', '=', zone)
      .where(sql<boolean>`vcpus_used + ${vcpus} <= vcpus_capacity`)
      .where(sql<boolean>`memory_mib_used + ${memoryMib} <= memory_mib_capacity`)
      .where(sql<boolean>`disk_gb_used + ${diskGb} <= disk_gb_capacity`),
)

/** Takes CPU, memory and disk of a host; undefined when all of it was there. */
export async function claimCapacity(
  tx: Tx,
  { hostId, demand }: { hostId: string; demand: Demand },
): Promise<ClaimLost | undefined> {
  const { zone, vcpus, memoryMib, diskGb, hostLabels } = demand
  const labelled = hostLabels === undefined ? undefined : await findCapacity.first(tx, { hostId })
  const relabelled = labelled && checkLabels(demand, labelled.labels)
  if (relabelled) return relabelled
  const revision = await nextHostRevision(tx)
  const updated = await takeCapacity.run(tx, { hostId, zone, vcpus, memoryMib, diskGb, revision })
  return updated === 1 ? claimCells(tx, hostId, demand) : findLack(tx, hostId, demand)
}

async function findLack(tx: Tx, hostId: string, demand: Demand): Promise<ClaimLost> {
  const host = await findCapacity.first(tx, { hostId })
  if (host?.state !== 'ready' || host.zone !== demand.zone) return lost('host', 'the host takes no instances')
  if (host.vcpus_used + demand.vcpus > host.vcpus_capacity) return lost('vcpus', 'the CPUs are taken')
  if (host.memory_mib_used + demand.memoryMib > host.memory_mib_capacity) {
    return lost('memory', 'the memory is taken')
  }
  return lost('disk', 'the disk space is taken')
}

const capacityAfter = (what: 'vcpus' | 'memory_mib' | 'disk_gb', released: number) => {
  const [reported, used] = [sql.ref(`${what}_reported`), sql.ref(`${what}_used`)]
  return sql<number>`CASE WHEN ${reported} > ${used} - ${released} THEN ${reported} ELSE ${used} - ${released} END`
}

/** What a guest takes to run, of a host that has its disks already. A cordoned host takes its own guests back. */
export async function claimCompute(
  tx: Tx,
  { hostId, demand }: { hostId: string; demand: Demand },
): Promise<ClaimLost | undefined> {
  const updated = await tx
    .updateTable('hosts')
    .set((row) => ({
      vcpus_used: row('vcpus_used', '+', demand.vcpus),
      memory_mib_used: row('memory_mib_used', '+', demand.memoryMib),
    }))
    .where('host_id', '=', hostId)
    .where(sql<boolean>`vcpus_used + ${demand.vcpus} <= vcpus_capacity`)
    .where(sql<boolean>`memory_mib_used + ${demand.memoryMib} <= memory_mib_capacity`)
    .executeTakeFirst()
  if (updated.numUpdatedRows === 0n) return lost('vcpus', 'the CPUs or the memory are taken')
  await touchHost(tx, hostId)
  return claimCells(tx, hostId, demand)
}

/** Takes room in a host's pool for a disk that outlives its instances. */
export async function claimDiskRoom(tx: Tx, hostId: string, gb: number): Promise<ClaimLost | undefined> {
  const updated = await tx
    .updateTable('hosts')
    .set((row) => ({ disk_gb_used: row('disk_gb_used', '+', gb) }))
    .where('host_id', '=', hostId)
    .where(sql<boolean>`disk_gb_used + ${gb} <= disk_gb_capacity`)
    .executeTakeFirst()
  if (updated.numUpdatedRows === 0n) return lost('disk', 'the disk space is taken')
  await touchHost(tx, hostId)
  return undefined
}

export async function giveDiskRoomBack(tx: Tx, hostId: string, diskGb: number): Promise<void> {
  await giveBack(tx, hostId, { vcpus: 0, memoryMib: 0, diskGb })
  await touchHost(tx, hostId)
}

interface Holder {
  readonly uid: string
  readonly hostId: string
  readonly demand: Demand
  readonly holds: Holding
}

/** Gives back what only a running guest needs. Only proof of tear-down leads here. */
export async function releaseCompute(tx: Tx, { uid, hostId, demand }: Holder): Promise<void> {
  // Its place in a reservation stays its own as long as it is there: it can always be started again.
  if (demand.slotUid !== undefined) return
  await giveBack(tx, hostId, { ...demand, diskGb: 0 })
  await forgetDevices.run(tx, { uid })
  await restOccupant(tx, { uid, demand })
  await touchHost(tx, hostId)
}

/** Gives back all that an instance still holds. Only proof of tear-down leads here. */
export async function releaseClaims(tx: Tx, { uid, hostId, demand, holds }: Holder): Promise<void> {
  if (holds === 'nothing') return
  const own = demand.slotUid === undefined ? demand : nothing
  const diskGb = own.diskGb + (demand.suspendedGb ?? 0)
  await giveBack(tx, hostId, { ...(holds === 'storage' ? nothing : own), diskGb })
  if (demand.slotUid !== undefined) await leaveSlot(tx, uid)
  await forgetDevices.run(tx, { uid })
  await releaseAddresses(tx, uid)
  await forgetOccupant(tx, { uid, demand })
  await touchHost(tx, hostId)
}

const nothing: Returned = { vcpus: 0, memoryMib: 0, diskGb: 0 }

const forgetDevices = prepare((tx: Tx, { uid }: { uid: string }) =>
  tx.deleteFrom('device_claims').where('instance_uid', '=', uid),
)
const forgetAddresses = prepare((tx: Tx, { uid }: { uid: string }) =>
  tx
    .deleteFrom('address_claims')
    .where('instance_uid', '=', uid)
    .where('reservation_uid', 'is', null)
    .returning(['network_uid', 'ipv4']),
)
const leaveAddresses = prepare((tx: Tx, { uid }: { uid: string }) =>
  tx
    .updateTable('address_claims')
    .set({ instance_uid: null, mac_address: null })
    .where('instance_uid', '=', uid),
)

/** Reserved ones stay reserved. */
export async function releaseAddresses(tx: Tx, uid: string): Promise<void> {
  for (const { network_uid, ipv4 } of await forgetAddresses.all(tx, { uid })) {
    noteGivenBack(tx, network_uid, ipv4)
  }
  await leaveAddresses.run(tx, { uid })
}

const returnCapacity = prepare((tx: Tx, { hostId, vcpus, memoryMib, diskGb }: Taken) =>
  tx
    .updateTable('hosts')
    .set((row) => ({
      vcpus_used: row('vcpus_used', '-', vcpus),
      memory_mib_used: row('memory_mib_used', '-', memoryMib),
      disk_gb_used: row('disk_gb_used', '-', diskGb),
      // Of a host that has shrunk, capacity falls as what was claimed beyond it is given back.
      vcpus_capacity: capacityAfter('vcpus', vcpus),
      memory_mib_capacity: capacityAfter('memory_mib', memoryMib),
      disk_gb_capacity: capacityAfter('disk_gb', diskGb),
    }))
    .where('host_id', '=', hostId),
)

type Returned = Pick<Demand, 'vcpus' | 'memoryMib' | 'diskGb' | 'cells'>

export async function giveBack(
  tx: Tx,
  hostId: string,
  { vcpus, memoryMib, diskGb, cells }: Returned,
): Promise<void> {
  await returnCapacity.run(tx, { hostId, vcpus, memoryMib, diskGb })
  await giveCellsBack(tx, hostId, cells)
}

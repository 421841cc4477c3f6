// Disks of instances: taken by one at a time, and free again only when its host has proved that it has let go.
import { clone } from '@bufbuild/protobuf'
import {
  InstancePhase,
  type InstanceSpec,
  InstanceSpecSchema,
} from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { InstanceRecord } from '../../model/instance.ts'
import type { ClaimLost, DiskRefused } from '../store.ts'
import type { DiskRow } from '../tables.ts'
import { claimDiskRoom } from './claims.ts'
import { disksOf } from './disk-rows.ts'
import type { Tx } from './rows.ts'

interface User {
  readonly uid: string
  readonly hostId: string
  readonly zone: string
  readonly nowMs: number
}

/** Gives an instance the disk: its first use fixes the host and takes the room there. undefined when it has it. */
export async function takeDisk(
  tx: Tx,
  uid: string,
  user: User,
): Promise<DiskRefused | ClaimLost | undefined> {
  const row = await tx.selectFrom('disks').selectAll().where('uid', '=', uid).executeTakeFirst()
  if (row?.status !== 'READY') {
    return refused('WRONG_STATE', `The disk ${row?.id ?? uid} is ${row?.status ?? 'gone'}: use another.`)
  }
  if (row.instance_uid !== null) return refused('DISK_IN_USE', await sayWhoHas(tx, row))
  if (row.zone !== user.zone) {
    return refused('DISK_ON_OTHER_HOST', `The disk ${row.id} is in zone ${row.zone}, not ${user.zone}.`)
  }
  if (row.host_id !== null && row.host_id !== user.hostId) {
    const message = `The data of disk ${row.id} is on another host than the instance: create an instance with the disk, and it is placed there.`
    return refused('DISK_ON_OTHER_HOST', message)
  }
  const lost = row.host_id === null ? await claimDiskRoom(tx, user.hostId, row.size_gb) : undefined
  if (lost) return lost
  await tx
    .updateTable('disks')
    .set({
      ...{ host_id: user.hostId, instance_uid: user.uid, status_message: 'Ready.' },
      ...{ revision: row.revision + 1, updated_at_ms: user.nowMs },
    })
    .where('uid', '=', uid)
    .execute()
  return undefined
}

const refused = (reason: DiskRefused['reason'], message: string): DiskRefused => ({
  ...{ kind: 'disk-refused', reason, message },
})

async function sayWhoHas(tx: Tx, { id, instance_uid: uid }: DiskRow): Promise<string> {
  const user = await tx.selectFrom('instances').select('id').where('uid', '=', uid).executeTakeFirst()
  return `The disk ${id} belongs to instance ${user?.id ?? uid} at this moment: detach it there first.`
}

/** Nothing of the instance is on a host any more. */
export async function letDisksGo(tx: Tx, instanceUid: string, nowMs: number): Promise<void> {
  for (const row of await disksOf(tx, instanceUid)) await letGo(tx, row, nowMs)
}

async function letGo(tx: Tx, { uid, revision }: DiskRow, nowMs: number): Promise<void> {
  await tx
    .updateTable('disks')
    .set({ instance_uid: null, detaching: 0, revision: revision + 1, updated_at_ms: nowMs })
    .where('uid', '=', uid)
    .execute()
}

/** The spec without disks that the host is to let go of: they stay in the instance until it has. */
export async function withoutLeavingDisks(tx: Tx, { uid, spec }: InstanceRecord): Promise<InstanceSpec> {
  const leaving = new Set((await disksOf(tx, uid)).filter((row) => row.detaching === 1).map((row) => row.uid))
  if (leaving.size === 0) return spec
  const told = clone(InstanceSpecSchema, spec)
  told.disks = spec.disks.filter(({ volumeUid }) => !leaving.has(volumeUid))
  return told
}

const phasesThatKnow: ReadonlySet<InstancePhase> = new Set([
  InstancePhase.RUNNING,
  InstancePhase.STOPPED,
  InstancePhase.CRASHED,
])

/**
 * What a host that has come to rest says about the instance's disks is how it is: one that it has stays, one that it
 * does not have is free. undefined where nothing changes in the instance.
 */
export async function settleDisks(
  tx: Tx,
  { uid, spec, details }: InstanceRecord,
  seen: { readonly phase: InstancePhase; readonly volumeUids: readonly string[]; readonly nowMs: number },
): Promise<Pick<InstanceRecord, 'spec' | 'details'> | undefined> {
  if (!phasesThatKnow.has(seen.phase)) return undefined
  const gone = new Set<string>()
  const made = new Set<string>()
  for (const row of await disksOf(tx, uid)) {
    if (!seen.volumeUids.includes(row.uid)) {
      gone.add(row.uid)
      await letGo(tx, row, seen.nowMs)
      continue
    }
    const isMade = row.made === 1 || seen.phase === InstancePhase.RUNNING
    if (isMade && row.made === 0) made.add(row.uid)
    if (!made.has(row.uid) && row.detaching === 0) continue
    const set = { made: isMade ? 1 : 0, detaching: 0 }
    await tx.updateTable('disks').set(set).where('uid', '=', row.uid).execute()
  }
  if (gone.size === 0 && made.size === 0) return undefined
  const after = clone(InstanceSpecSchema, spec)
  after.disks = after.disks.filter(({ volumeUid }) => !gone.has(volumeUid))
  for (const disk of after.disks) disk.mustExist ||= made.has(disk.volumeUid)
  const names = new Set(after.disks.map(({ deviceName }) => deviceName))
  return {
    spec: after,
    details: { ...details, disks: details.disks.filter((one) => names.has(one.deviceName)) },
  }
}

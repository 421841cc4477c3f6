import { clone } from '@bufbuild/protobuf'
import { type InstanceSpec, InstanceSpecSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { diskUid } from '../../../proto/ids.ts'
import type { InstanceDetails, InstanceRecord } from '../../model/instance.ts'
import type { ChangeInstance } from '../store.ts'
import { findDiskRow } from './disk-rows.ts'
import { takeDisk } from './disk-use.ts'
import { writeDisk } from './disks.ts'
import { Refused } from './refused.ts'
import type { Tx } from './rows.ts'

export interface DisksChanged {
  readonly spec: InstanceSpec
  readonly details: InstanceDetails
  /** Whose change it is. */
  readonly diskUid?: ReturnType<typeof diskUid>
}

/** What a verb about a disk makes of the instance; undefined for all other verbs. @throws Refused */
export async function changeDisks(
  tx: Tx,
  before: InstanceRecord,
  input: ChangeInstance,
): Promise<DisksChanged | undefined> {
  if (input.attach) return attach(tx, before, { ...input, attach: input.attach })
  if (input.detach) return detach(tx, before, input.detach)
  if (input.resize) return resize(tx, before, { ...input, resize: input.resize })
  return undefined
}

async function attach(
  tx: Tx,
  before: InstanceRecord,
  { attach, nowMs }: ChangeInstance & Required<Pick<ChangeInstance, 'attach'>>,
): Promise<DisksChanged> {
  const { uid, hostId, demand } = before
  const names = new Set(before.details.disks.map(({ deviceName }) => deviceName))
  const deviceName = attach.deviceName ?? freeName(names)
  if (names.has(deviceName)) {
    const message = `The instance has a disk named ${deviceName} already: give another deviceName, or none.`
    throw new Refused({ kind: 'disk-refused', reason: 'DEVICE_NAME_TAKEN', message })
  }
  const refused = await takeDisk(tx, attach.diskUid, { uid, hostId, zone: demand.zone, nowMs })
  if (refused) throw new Refused(refused)
  const spec = clone(InstanceSpecSchema, before.spec)
  spec.disks = [...spec.disks, { ...attach.spec, deviceName }]
  const disks = [...before.details.disks, { ...attach.details, deviceName }]
  return { spec, details: { ...before.details, disks }, diskUid: diskUid(attach.diskUid) }
}

function freeName(taken: ReadonlySet<string>): string {
  let number = 0
  while (taken.has(`disk${number}`)) number += 1
  return `disk${number}`
}

/** It stays in the instance until the host has proved that it has let go. */
async function detach(
  tx: Tx,
  { id, spec, details }: InstanceRecord,
  { deviceName }: NonNullable<ChangeInstance['detach']>,
): Promise<DisksChanged> {
  const disk = spec.disks.find((one) => one.deviceName === deviceName)
  const refuse = (message: string) => new Refused({ kind: 'disk-refused', reason: 'WRONG_STATE', message })
  if (!disk) throw refuse(`${id} has no disk named ${deviceName}.`)
  if (disk.boot) throw refuse(`${deviceName} is the boot disk of ${id}: it goes with the instance.`)
  if (disk.volumeUid === '') {
    throw refuse(`${deviceName} is a part of ${id} and goes with it: only disks of their own are detached.`)
  }
  await tx.updateTable('disks').set({ detaching: 1 }).where('uid', '=', disk.volumeUid).execute()
  return { spec, details, diskUid: diskUid(disk.volumeUid) }
}

async function resize(
  tx: Tx,
  { project, spec, details }: InstanceRecord,
  { resize, nowMs }: ChangeInstance & Required<Pick<ChangeInstance, 'resize'>>,
): Promise<DisksChanged> {
  const row = await findDiskRow(tx, project, resize.diskUid)
  const disk = spec.disks.find(({ volumeUid }) => volumeUid === resize.diskUid)
  if (!row || !disk || row.revision !== resize.ifRevision) {
    throw new Refused({ kind: 'revision-mismatch', revision: row?.revision ?? 0 })
  }
  await writeDisk(tx, row, { ...resize, nowMs })
  const after = clone(InstanceSpecSchema, spec)
  for (const one of after.disks) if (one.volumeUid === resize.diskUid) one.sizeGb = resize.sizeGb
  const disks = details.disks.map((one) =>
    one.deviceName === disk.deviceName ? { ...one, sizeGb: resize.sizeGb } : one,
  )
  return { spec: after, details: { ...details, disks }, diskUid: diskUid(resize.diskUid) }
}

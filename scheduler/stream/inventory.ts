import { create } from '@bufbuild/protobuf'
import { EnsureDiskSchema } from '../../proto/gen/berth/agent/v1/disk_pb.ts'
import { DesiredState, EnsureInstanceSchema } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type Command, CommandSchema, ObjectKind } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { HostId } from '../../proto/ids.ts'
import type { InstanceRecord } from '../model/instance.ts'
import { decodeCommand } from '../model/queued-command.ts'
import { outboxLimit, type Store } from '../store/store.ts'

/** How long a guest may take to power off; what a repeated command can't know of the first one. */
const stopDeadlineMs = 60_000

/**
 * Instances that the host was told of and that its full list does not have. That is no proof of anything: unknown is not
 * gone. What is still in the outbox is on its way and not missed yet.
 */
export async function findUnreported(
  heard: { readonly hostId: HostId; readonly isHeardOf: (uid: string) => boolean },
  store: Pick<Store, 'listInstancesOnHost' | 'readOutbox'>,
): Promise<readonly InstanceRecord[]> {
  const { hostId, isHeardOf } = heard
  // Instances before outbox: what is placed in between is in neither or in the outbox alone.
  const placed = await store.listInstancesOnHost(hostId)
  const missing = placed.filter(({ uid }) => !isHeardOf(uid))
  if (missing.length === 0) return []
  const outbox = await store.readOutbox({ hostId, fromSequence: 0, limit: outboxLimit })
  const onTheirWay = new Set(outbox.map((command) => decodeCommand(command).uid))
  return missing.filter(({ uid }) => !onTheirWay.has(uid))
}

/**
 * Whether it does no harm to tell the host again: it never began, or nothing of it is to stay. A guest that has run is
 * not made anew in place of the one that is missed: its disks may be there still, and new ones would be empty.
 */
export function mayRepeat({ status, desiredState, startGeneration }: InstanceRecord): boolean {
  const neverBegan = status === 'PROVISIONING' && startGeneration === 1
  return neverBegan || desiredState === DesiredState.ABSENT
}

/** For a person: what a missing instance means and what can be done. */
export const unreported = {
  reason: 'UNKNOWN_TO_HOST',
  message:
    'Its host does not report it any more: was the state of the agent there lost or damaged? What it holds stays reserved until an operator restores that state, or the instance is deleted.',
} as const

/** The whole desired state of an instance once more, under no sequence. */
export function renderRepeatedCommand(
  instance: InstanceRecord,
  { epoch, commandId }: { epoch: number; commandId: string },
): Command {
  const { uid, generation, desiredState, spec, startGeneration, resetGeneration } = instance
  const value = create(EnsureInstanceSchema, {
    desiredState,
    stopDeadlineMs,
    startGeneration,
    resetGeneration,
    ...(desiredState === DesiredState.ABSENT ? {} : { spec }),
  })
  return create(CommandSchema, {
    sequence: 0n,
    commandId,
    requestId: commandId,
    epoch,
    kind: ObjectKind.INSTANCE,
    uid,
    generation,
    body: { case: 'ensureInstance', value },
  })
}

/** A disk that is to go, once more, under no sequence. */
export function renderRepeatedDisk(
  { uid, generation }: { readonly uid: string; readonly generation: number },
  { epoch, commandId }: { epoch: number; commandId: string },
): Command {
  const value = create(EnsureDiskSchema, { desiredState: DesiredState.ABSENT })
  return create(CommandSchema, {
    ...{ sequence: 0n, commandId, requestId: commandId, epoch, kind: ObjectKind.DISK, uid, generation },
    body: { case: 'ensureDisk', value },
  })
}

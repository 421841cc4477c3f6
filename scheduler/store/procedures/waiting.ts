// Those who wait for capacity: how they get it, give up, or are told how it stands.
import { create, toBinary } from '@bufbuild/protobuf'
import {
  CellShareSchema,
  DesiredState,
  EnsureInstanceSchema,
  GpuSchema,
  InstanceSpecSchema,
} from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type InstanceUid, instanceUid, projectId } from '../../../proto/ids.ts'
import type { InstanceRecord } from '../../model/instance.ts'
import { inCells } from '../../model/numa-cells.ts'
import type { Demand } from '../../model/placement.ts'
import { computeAmounts, storageAmounts } from '../../model/quota.ts'
import { type WaitingInstance, waitingReason } from '../../model/waiting.ts'
import type { InstanceRow } from '../tables.ts'
import type {
  GiveUpWaiting,
  GiveUpWaitingOutcome,
  PlaceWaiting,
  PlaceWaitingOutcome,
} from '../waiting-store.ts'
import { nextChange } from './changes.ts'
import { claimCapacity, releaseAddresses } from './claims.ts'
import { takeDisks } from './commit-placement.ts'
import { claimDevices } from './device-claims.ts'
import { appendEvent } from './events.ts'
import { withFirewalls } from './firewalls.ts'
import { joinOccupants } from './occupants.ts'
import { settleOperations } from './operations.ts'
import { queueEnsureInstance } from './outbox.ts'
import { giveQuotaBack } from './quotas.ts'
import { Refused } from './refused.ts'
import { instanceFromRow, type Tx } from './rows.ts'

export async function listWaiting(tx: Tx): Promise<readonly WaitingInstance[]> {
  const rows = await tx
    .selectFrom('waiting')
    .selectAll()
    .orderBy('since_ms')
    .orderBy('instance_uid')
    .execute()
  return rows.map((row) => ({
    ...{ uid: instanceUid(row.instance_uid), project: projectId(row.project) },
    ...{ demand: JSON.parse(row.demand) as Demand, sinceMs: row.since_ms, untilMs: row.until_ms },
    requestId: row.request_id,
  }))
}

/** Claims on its host and the command for it: the caller's savepoint makes it all or nothing. @throws Refused */
export async function placeWaiting(tx: Tx, input: PlaceWaiting): Promise<PlaceWaitingOutcome> {
  const found = await findWaiting(tx, input.uid)
  if (found === undefined) return { kind: 'not-waiting' }
  const { before, requestId, stopDeadlineMs } = found
  const { uid, project, generation } = before
  const { hostId, cells, nowMs } = input
  const demand = inCells(before.demand, cells)
  const devices = input.devices.map(({ address }) => address)
  const lost = await claimCapacity(tx, { hostId, demand })
  if (lost) throw new Refused(lost)
  await takeDisks(tx, { ...before, hostId, nowMs })
  const lostLater =
    (await claimDevices(tx, { hostId, project, uid, devices })) ??
    (await joinOccupants(tx, { uid, hostId, demand, nowMs }))
  if (lostLater) throw new Refused(lostLater)
  const spec = await withFirewalls(tx, before.spec)
  spec.gpus = input.devices.map((device) => create(GpuSchema, device))
  spec.cells = (cells ?? []).map((share) => create(CellShareSchema, share))
  await tx.deleteFrom('waiting').where('instance_uid', '=', uid).execute()
  const instance = await move(tx, before, {
    ...{ status: 'PROVISIONING', reason: 'PLACED', message: input.statusMessage, requestId, nowMs },
    also: {
      ...{ host_id: hostId, holds: 'everything', spec: toBinary(InstanceSpecSchema, spec) },
      ...{ demand: JSON.stringify(demand), explanation: JSON.stringify(input.explanation) },
    },
  })
  const command = await queueEnsureInstance(tx, {
    ...{ hostId, commandId: input.commandId, requestId, uid, generation },
    ensure: create(EnsureInstanceSchema, {
      ...{ desiredState: DesiredState.RUNNING, spec, stopDeadlineMs },
      startGeneration: before.startGeneration,
    }),
  })
  return { kind: 'placed', instance, command }
}

export async function giveUpWaiting(
  tx: Tx,
  { uid, reason, message, nowMs }: GiveUpWaiting,
): Promise<GiveUpWaitingOutcome> {
  const found = await findWaiting(tx, uid)
  if (found === undefined) return { kind: 'not-waiting' }
  await leaveQueue(tx, found.before)
  const { requestId } = found
  const instance = await move(tx, found.before, { status: 'FAILED', reason, message, requestId, nowMs })
  await settleOperations(tx, instance, { generation: instance.generation, nowMs })
  return { kind: 'given-up', instance }
}

export async function tellWaiting(
  tx: Tx,
  { sentences, nowMs }: { sentences: readonly { uid: InstanceUid; message: string }[]; nowMs: number },
): Promise<void> {
  for (const { uid, message } of sentences) {
    const change = await nextChange(tx)
    await tx
      .updateTable('instances')
      .set((row) => ({
        ...{ change, status_message: message, reason: waitingReason, updated_at_ms: nowMs },
        revision: row('revision', '+', 1),
      }))
      .where('uid', '=', uid)
      .where('status', '=', 'PENDING')
      .execute()
  }
}

/** Gives back what it has had while it waited, if it still does: quota but for its name, and addresses. */
export async function leaveQueue(
  tx: Tx,
  { uid, project, demand, details }: Pick<InstanceRecord, 'uid' | 'project' | 'demand' | 'details'>,
): Promise<void> {
  const left = await tx.deleteFrom('waiting').where('instance_uid', '=', uid).executeTakeFirst()
  if (left.numDeletedRows === 0n) return
  await releaseAddresses(tx, uid)
  await giveQuotaBack(tx, project, {
    ...computeAmounts(demand),
    ...storageAmounts(demand, details.nics.length),
  })
}

async function findWaiting(tx: Tx, uid: InstanceUid) {
  const waiting = await tx
    .selectFrom('waiting')
    .selectAll()
    .where('instance_uid', '=', uid)
    .executeTakeFirst()
  if (waiting === undefined) return undefined
  const row = await tx.selectFrom('instances').selectAll().where('uid', '=', uid).executeTakeFirstOrThrow()
  const { request_id: requestId, stop_deadline_ms: stopDeadlineMs } = waiting
  return { before: instanceFromRow(row), requestId, stopDeadlineMs }
}

interface Move {
  readonly status: InstanceRecord['status']
  readonly reason: string
  readonly message: string
  readonly requestId: string
  readonly nowMs: number
  readonly also?: Pick<InstanceRow, 'host_id' | 'holds' | 'spec' | 'demand' | 'explanation'>
}

async function move(
  tx: Tx,
  before: InstanceRecord,
  { status, reason, message, requestId, nowMs, also }: Move,
): Promise<InstanceRecord> {
  await appendEvent(tx, {
    ...{ instanceUid: before.uid, from: before.status, to: status, reason, message, atMs: nowMs, requestId },
  })
  const row = await tx
    .updateTable('instances')
    .set({
      ...{ status, status_since_ms: nowMs, status_message: message, reason },
      ...{ change: await nextChange(tx), revision: before.revision + 1, updated_at_ms: nowMs },
      ...also,
    })
    .where('uid', '=', before.uid)
    .returningAll()
    .executeTakeFirstOrThrow()
  return instanceFromRow(row)
}

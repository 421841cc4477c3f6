import { create } from '@bufbuild/protobuf'
import { DesiredState, EnsureInstanceSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { InstanceStatus } from '../../../proto/instance-state.ts'
import type { RequestDelete, RequestDeleteOutcome } from '../store.ts'
import { appendEvent } from './events.ts'
import { queueEnsureInstance } from './outbox.ts'
import { findInstanceRow } from './read-instances.ts'
import { instanceFromRow, type Tx } from './rows.ts'

const message = 'Being deleted: its host takes it down.'

/** A second request finds the first and queues nothing. */
export async function requestDelete(tx: Tx, input: RequestDelete): Promise<RequestDeleteOutcome> {
  const row = await findInstanceRow(tx, input.project, input.idOrUid)
  if (!row) return { kind: 'not-found' }
  if (input.ifRevision !== undefined && input.ifRevision !== row.revision) {
    return { kind: 'revision-mismatch', revision: row.revision }
  }
  const before = instanceFromRow(row)
  if (before.desiredState === DesiredState.ABSENT) return { kind: 'accepted', instance: before }
  const updated = await tx
    .updateTable('instances')
    .set({
      status: 'DEPROVISIONING' satisfies InstanceStatus,
      status_message: message,
      reason: 'DELETE_REQUESTED',
      status_since_ms: input.nowMs,
      desired_state: DesiredState.ABSENT,
      generation: row.generation + 1,
      revision: row.revision + 1,
      updated_at_ms: input.nowMs,
    })
    .where('uid', '=', row.uid)
    .returningAll()
    .executeTakeFirstOrThrow()
  await appendEvent(tx, {
    instanceUid: before.uid,
    from: before.status,
    to: 'DEPROVISIONING',
    reason: 'DELETE_REQUESTED',
    message,
    atMs: input.nowMs,
    requestId: input.requestId,
  })
  await queueEnsureInstance(tx, {
    hostId: row.host_id,
    commandId: input.commandId,
    requestId: input.requestId,
    uid: row.uid,
    generation: updated.generation,
    ensure: create(EnsureInstanceSchema, {
      desiredState: DesiredState.ABSENT,
      stopDeadlineMs: input.stopDeadlineMs,
    }),
  })
  return { kind: 'accepted', instance: instanceFromRow(updated) }
}

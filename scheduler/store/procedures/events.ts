import type { InstanceUid } from '../../../proto/ids.ts'
import type { InstanceStatus } from '../../../proto/instance-state.ts'
import type { InstanceEvent } from '../../model/instance.ts'
import { prepareInsert } from './prepared.ts'
import type { Tx } from './rows.ts'
import { nextValue } from './sequences.ts'

const insertEvent = prepareInsert('events', [
  ...(['instance_uid', 'sequence', 'from_status', 'to_status'] as const),
  ...(['reason', 'message', 'at_ms', 'request_id'] as const),
])

export async function appendEvent(tx: Tx, event: Omit<InstanceEvent, 'sequence'>): Promise<void> {
  await insertEvent.run(tx, {
    instance_uid: event.instanceUid,
    sequence: await nextValue(tx, 'event'),
    from_status: event.from,
    to_status: event.to,
    reason: event.reason,
    message: event.message,
    at_ms: event.atMs,
    request_id: event.requestId,
  })
}

/** Oldest first; those of an instance that is gone are kept. */
export async function listEvents(tx: Tx, uid: InstanceUid): Promise<readonly InstanceEvent[]> {
  const rows = await tx
    .selectFrom('events')
    .selectAll()
    .where('instance_uid', '=', uid)
    .orderBy('sequence')
    .execute()
  return rows.map((row) => ({
    sequence: row.sequence,
    instanceUid: uid,
    from: row.from_status as InstanceStatus | null,
    to: row.to_status as InstanceStatus | null,
    reason: row.reason,
    message: row.message,
    atMs: row.at_ms,
    requestId: row.request_id,
  }))
}

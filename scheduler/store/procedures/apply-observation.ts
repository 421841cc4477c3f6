import { type Transition, transitionInstance } from '../../lifecycle/transition.ts'
import type { Demand } from '../../model/placement.ts'
import type { ApplyObservation, ApplyObservationOutcome } from '../store.ts'
import type { InstanceRow } from '../tables.ts'
import { releaseClaims } from './claims.ts'
import { appendEvent } from './events.ts'
import { instanceFromRow, type Tx } from './rows.ts'

/** One report of a host about one instance, through the lifecycle table. */
export async function applyObservation(tx: Tx, input: ApplyObservation): Promise<ApplyObservationOutcome> {
  const { observation, hostId } = input
  const row = await tx
    .selectFrom('instances')
    .selectAll()
    .where('uid', '=', observation.uid)
    .where('host_id', '=', hostId)
    .executeTakeFirst()
  if (!row) return { kind: 'unknown', message: `No instance ${observation.uid} is placed on ${hostId}.` }
  const host = await tx
    .selectFrom('hosts')
    .select('epoch')
    .where('host_id', '=', hostId)
    .executeTakeFirstOrThrow()
  if (observation.epoch < host.epoch) {
    return {
      kind: 'stale',
      message: `The report is of epoch ${observation.epoch}, the host's is ${host.epoch}.`,
    }
  }
  if (observation.generation < row.generation) {
    return {
      kind: 'stale',
      message: `The report is of generation ${observation.generation}, the instance's is ${row.generation}.`,
    }
  }
  const before = instanceFromRow(row)
  const transition = transitionInstance({ ...before, message: before.statusMessage }, observation)
  return carryOut(tx, { ...input, row, transition })
}

async function carryOut(
  tx: Tx,
  step: ApplyObservation & { row: InstanceRow; transition: Transition },
): Promise<ApplyObservationOutcome> {
  const { row, transition, observation, nowMs } = step
  const before = instanceFromRow(row)
  const tell = (to: typeof before.status | null, reason: string, message: string) =>
    appendEvent(tx, {
      instanceUid: before.uid,
      from: before.status,
      to,
      reason,
      message,
      atMs: nowMs,
      requestId: observation.requestId,
    })
  const release = async () =>
    releaseClaims(tx, {
      uid: row.uid,
      hostId: row.host_id,
      demand: JSON.parse(row.demand) as Demand,
    })
  switch (transition.kind) {
    case 'unchanged':
      return { kind: 'unchanged' }
    case 'denied':
      return { kind: 'stale', message: transition.message }
    case 'removed':
      if (row.released === 0) await release()
      await tell(null, 'DELETED', 'Deleted: its host holds nothing of it any more.')
      await tx.deleteFrom('instances').where('uid', '=', row.uid).execute()
      return { kind: 'removed', uid: before.uid }
    case 'move':
    case 'update': {
      if (transition.releases) await release()
      if (transition.kind === 'move') await tell(transition.to, transition.reason, transition.message)
      const updated = await tx
        .updateTable('instances')
        .set({
          ...(transition.kind === 'move' ? { status: transition.to, status_since_ms: nowMs } : {}),
          status_message: transition.message,
          reason: transition.reason,
          released: row.released === 1 || transition.releases ? 1 : 0,
          revision: row.revision + 1,
          updated_at_ms: nowMs,
        })
        .where('uid', '=', row.uid)
        .returningAll()
        .executeTakeFirstOrThrow()
      return { kind: 'applied', instance: instanceFromRow(updated) }
    }
  }
}

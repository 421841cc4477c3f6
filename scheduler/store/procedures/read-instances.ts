import { sql } from 'kysely'
import type { HostId, InstanceUid, ProjectId } from '../../../proto/ids.ts'
import type { InstanceRecord } from '../../model/instance.ts'
import type { ListInstances } from '../store.ts'
import type { InstanceRow } from '../tables.ts'
import { nextChange } from './changes.ts'
import { whereFilter } from './filter.ts'
import { prepare } from './prepared.ts'
import { instanceFromRow, type Tx } from './rows.ts'

/** Uids (v7) begin with a digit and names with a letter: what is given is one or the other. */
export async function findInstanceRow(
  tx: Tx,
  project: ProjectId,
  idOrUid: string,
): Promise<InstanceRow | undefined> {
  return findByAddress.first(tx, { project, idOrUid })
}

const findByAddress = prepare((tx: Tx, { project, idOrUid }: { project: string; idOrUid: string }) =>
  tx
    .selectFrom('instances')
    .selectAll()
    .where('project', '=', project)
    .where((row) => row.or([row('uid', '=', idOrUid), row('id', '=', idOrUid)])),
)

export async function findInstance(
  tx: Tx,
  project: ProjectId,
  idOrUid: string,
): Promise<InstanceRecord | undefined> {
  const row = await findInstanceRow(tx, project, idOrUid)
  return row && instanceFromRow(row)
}

const orderColumns = { createdAt: 'created_at_ms', updatedAt: 'updated_at_ms', id: 'id' } as const

/** From where the page before ended: what was made or changed meanwhile shifts no later page. */
export async function listInstances(tx: Tx, input: ListInstances): Promise<readonly InstanceRecord[]> {
  const { order = { field: 'createdAt', isDescending: false }, filter, after } = input
  const direction = order.isDescending ? 'desc' : 'asc'
  const beyond = order.isDescending ? '<' : '>'
  // Uids are made in the order of time, and their index is there: the time itself needs none. Names are unique.
  const column = order.field === 'createdAt' ? 'uid' : orderColumns[order.field]
  let query = tx.selectFrom('instances').selectAll().where('project', '=', input.project)
  if (filter !== undefined) query = query.where((where) => whereFilter(where, filter))
  if (after !== undefined) {
    const sign = sql.raw(beyond)
    query = query.where(
      column === 'updated_at_ms'
        ? // As a pair, so that the index is entered where the page begins.
          sql<boolean>`(updated_at_ms, uid) ${sign} (${after.value}, ${after.uid})`
        : sql<boolean>`${sql.ref(column)} ${sign} ${column === 'uid' ? after.uid : after.value}`,
    )
  }
  if (column !== 'uid') query = query.orderBy(column, direction)
  const rows = await query.orderBy('uid', direction).limit(input.limit).execute()
  return rows.map(instanceFromRow)
}

export async function listInstancesOnHost(tx: Tx, host: HostId): Promise<readonly InstanceRecord[]> {
  const rows = await tx
    .selectFrom('instances')
    .selectAll()
    .where('host_id', '=', host)
    .where('holds', '!=', 'nothing')
    .orderBy('uid')
    .execute()
  return rows.map(instanceFromRow)
}

export async function listInStatusSince(
  tx: Tx,
  input: { statuses: readonly string[]; beforeMs: number },
): Promise<readonly InstanceRecord[]> {
  const rows = await tx
    .selectFrom('instances')
    .selectAll()
    .where('status', 'in', [...input.statuses])
    .where('status_since_ms', '<', input.beforeMs)
    .orderBy('uid')
    .execute()
  return rows.map(instanceFromRow)
}

/** Changes the sentence and nothing else; an instance that has changed since is left alone. */
export async function setStatusMessage(
  tx: Tx,
  input: { uid: InstanceUid; revision: number; reason: string; message: string; nowMs: number },
): Promise<void> {
  const change = await nextChange(tx)
  await tx
    .updateTable('instances')
    .set((row) => ({
      change,
      status_message: input.message,
      reason: input.reason,
      revision: row('revision', '+', 1),
      updated_at_ms: input.nowMs,
    }))
    .where('uid', '=', input.uid)
    .where('revision', '=', input.revision)
    .execute()
}

import type { DiskUid, OperationId, ProjectId } from '../../../proto/ids.ts'
import { operationId, projectId } from '../../../proto/ids.ts'
import { goalOf } from '../../lifecycle/verbs.ts'
import type { InstanceRecord } from '../../model/instance.ts'
import type { InstanceVerb, OperationRecord } from '../../model/operation.ts'
import type { ListOperations } from '../store.ts'
import type { OperationRow } from '../tables.ts'
import { onceIn } from './once.ts'
import { prepare, prepareInsert } from './prepared.ts'
import type { Tx } from './rows.ts'

const keepMs = 30 * 24 * 3_600_000

export interface StartOperation {
  readonly operationId: OperationId
  readonly verb: InstanceVerb
  /** The target: an instance, or a disk. */
  readonly instance: Pick<InstanceRecord, 'project' | 'id' | 'generation'> & { readonly uid: string }
  readonly collection?: OperationRecord['collection']
  /** Of an operation about a disk of the instance. */
  readonly diskUid?: DiskUid
  readonly requestId: string
  readonly principal: string
  readonly nowMs: number
  /** Nothing is left to wait for. */
  readonly isDone?: boolean
}

const deleteEndedBefore = prepare((tx: Tx, { beforeMs }: { beforeMs: number }) =>
  tx.deleteFrom('operations').where('ended_at_ms', '<', beforeMs),
)

const insertOperation = prepareInsert('operations', [
  ...(['id', 'project', 'verb', 'instance_uid', 'instance_id', 'generation', 'collection'] as const),
  ...(['disk_uid', 'status', 'request_id', 'principal', 'created_at_ms', 'ended_at_ms'] as const),
])

export async function startOperation(tx: Tx, input: StartOperation): Promise<void> {
  const { instance, nowMs, isDone = false } = input
  await onceIn(tx, deleteEndedBefore, () => deleteEndedBefore.run(tx, { beforeMs: nowMs - keepMs }))
  await insertOperation.run(tx, {
    id: input.operationId,
    project: instance.project,
    verb: input.verb,
    instance_uid: instance.uid,
    instance_id: instance.id,
    generation: instance.generation,
    collection: input.collection ?? 'instances',
    disk_uid: input.diskUid ?? null,
    status: isDone ? 'DONE' : 'RUNNING',
    request_id: input.requestId,
    principal: input.principal,
    created_at_ms: nowMs,
    ended_at_ms: isDone ? nowMs : null,
  })
}

/** The host has come to rest at a generation: operations up to it have ended, each well or badly. */
export async function settleOperations(
  tx: Tx,
  instance: Pick<InstanceRecord, 'uid' | 'status' | 'reason' | 'statusMessage'>,
  {
    generation,
    nowMs,
    volumeUids = [],
  }: { generation: number; nowMs: number; volumeUids?: readonly string[] },
): Promise<void> {
  const ended = (await listOpen(tx, instance.uid)).filter((row) => row.generation <= generation)
  for (const row of ended) {
    const isReached = hasReached(row, instance, volumeUids)
    const error = isReached ? undefined : { reason: instance.reason, message: instance.statusMessage }
    await endOperation(tx, row.id, { nowMs, ...(error === undefined ? {} : { error }) })
  }
}

function hasReached(
  { verb, disk_uid: disk }: OperationRow,
  { status, reason }: Pick<InstanceRecord, 'status' | 'reason'>,
  volumeUids: readonly string[],
): boolean {
  if (verb === 'attachDisk') return volumeUids.includes(disk ?? '')
  if (verb === 'detachDisk') return !volumeUids.includes(disk ?? '')
  if (verb === 'resizeDisk') return reason !== 'RESIZE_FAILED'
  const goal = goalOf(verb as InstanceVerb)
  return goal === undefined || goal === status
}

/** The instance is gone: that is what its delete wanted, and what others did not. */
export async function endOperationsOfDeleted(tx: Tx, uid: string, nowMs: number): Promise<void> {
  const error = { reason: 'DELETED', message: 'It was deleted meanwhile.' }
  for (const row of await listOpen(tx, uid)) {
    await endOperation(tx, row.id, { nowMs, ...(row.verb === 'delete' ? {} : { error }) })
  }
}

const openOf = prepare((tx: Tx, { uid }: { uid: string }) =>
  tx.selectFrom('operations').selectAll().where('instance_uid', '=', uid).where('status', '=', 'RUNNING'),
)

const listOpen = (tx: Tx, uid: string): Promise<readonly OperationRow[]> => openOf.all(tx, { uid })

const setEnd = prepare((tx: Tx, { id, endedAtMs, reason, message }: End) =>
  tx
    .updateTable('operations')
    .set({ status: 'DONE', ended_at_ms: endedAtMs, error_reason: reason, error_message: message })
    .where('id', '=', id),
)

interface End {
  readonly id: string
  readonly endedAtMs: number
  readonly reason: string | null
  readonly message: string | null
}

async function endOperation(
  tx: Tx,
  id: string,
  { nowMs, error }: { nowMs: number; error?: { reason: string; message: string } },
): Promise<void> {
  const { reason = null, message = null } = error ?? {}
  await setEnd.run(tx, { id, endedAtMs: nowMs, reason, message })
}

export async function findOperation(
  tx: Tx,
  project: ProjectId,
  id: OperationId,
): Promise<OperationRecord | undefined> {
  const row = await tx
    .selectFrom('operations')
    .selectAll()
    .where('project', '=', project)
    .where('id', '=', id)
    .executeTakeFirst()
  return row && operationFromRow(row)
}

/** Ids are UUIDs of version 7: their order is that of time. */
export async function listOperations(tx: Tx, input: ListOperations): Promise<readonly OperationRecord[]> {
  let query = tx.selectFrom('operations').selectAll().where('project', '=', input.project)
  if (input.beforeId !== undefined) query = query.where('id', '<', input.beforeId)
  const rows = await query.orderBy('id', 'desc').limit(input.limit).execute()
  return rows.map(operationFromRow)
}

function operationFromRow(row: OperationRow): OperationRecord {
  const { error_reason: reason, error_message: message } = row
  return {
    id: operationId(row.id),
    project: projectId(row.project),
    verb: row.verb as InstanceVerb,
    collection: row.collection as OperationRecord['collection'],
    targetUid: row.instance_uid,
    targetId: row.instance_id,
    generation: row.generation,
    status: row.status as OperationRecord['status'],
    ...(reason === null || message === null ? {} : { error: { reason, message } }),
    requestId: row.request_id,
    principal: row.principal,
    createdAtMs: row.created_at_ms,
    ...(row.ended_at_ms === null ? {} : { endedAtMs: row.ended_at_ms }),
  }
}

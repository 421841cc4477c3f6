import type { AuditEntry } from '../../model/audit.ts'
import type { ListAudit } from '../store.ts'
import type { AuditRow } from '../tables.ts'
import { onceIn } from './once.ts'
import { prepare, prepareInsert } from './prepared.ts'
import type { Tx } from './rows.ts'

const keepMs = 400 * 24 * 3_600_000

const deleteBefore = prepare((tx: Tx, { beforeMs }: { beforeMs: number }) =>
  tx.deleteFrom('audit').where('at_ms', '<', beforeMs),
)

const insertEntry = prepareInsert('audit', [
  ...(['id', 'at_ms', 'principal', 'project', 'action', 'method', 'path', 'status'] as const),
  ...(['reason', 'request_id', 'source_address'] as const),
])

export async function appendAudit(tx: Tx, entry: AuditEntry): Promise<void> {
  const { atMs, requestId, sourceAddress, project = null, reason = null, ...rest } = entry
  await onceIn(tx, deleteBefore, () => deleteBefore.run(tx, { beforeMs: atMs - keepMs }))
  const times = { at_ms: atMs, request_id: requestId, source_address: sourceAddress }
  await insertEntry.run(tx, { ...rest, project, reason, ...times })
}

export async function listAudit(tx: Tx, input: ListAudit): Promise<readonly AuditEntry[]> {
  let query = tx.selectFrom('audit').selectAll()
  if (input.project !== undefined) query = query.where('project', '=', input.project)
  if (input.principal !== undefined) query = query.where('principal', '=', input.principal)
  if (input.requestId !== undefined) query = query.where('request_id', '=', input.requestId)
  if (input.beforeId !== undefined) query = query.where('id', '<', input.beforeId)
  const rows = await query.orderBy('id', 'desc').limit(input.limit).execute()
  return rows.map(entryFromRow)
}

function entryFromRow(row: AuditRow): AuditEntry {
  const { id, principal, action, method, path, status, project, reason } = row
  return {
    ...{ id, principal, action, method, path, status },
    atMs: row.at_ms,
    ...(project === null ? {} : { project }),
    ...(reason === null ? {} : { reason }),
    requestId: row.request_id,
    sourceAddress: row.source_address,
  }
}

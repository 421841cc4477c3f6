import type { AuditEntry } from '../model/audit.ts'
import type { ListAudit } from '../store/store.ts'
import type { OperationPorts } from './ports.ts'

export interface AuditPage {
  readonly entries: readonly AuditEntry[]
  /** Absent on the last page. */
  readonly nextBeforeId?: string
}

/** Newest first. */
export async function listAudit(
  { pageSize, ...where }: Omit<ListAudit, 'limit'> & { readonly pageSize: number },
  { store }: Pick<OperationPorts, 'store'>,
): Promise<AuditPage> {
  const found = await store.listAudit({ ...where, limit: pageSize + 1 })
  const entries = found.slice(0, pageSize)
  const last = entries.at(-1)
  return found.length > pageSize && last !== undefined ? { entries, nextBeforeId: last.id } : { entries }
}

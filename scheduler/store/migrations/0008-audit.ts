import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Who asked for what, found by project, by principal and by request. */
export const auditMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema
      .createTable('audit')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('at_ms', 'bigint', (column) => column.notNull())
      .addColumn('principal', 'text', (column) => column.notNull())
      .addColumn('project', 'text')
      .addColumn('action', 'text', (column) => column.notNull())
      .addColumn('method', 'text', (column) => column.notNull())
      .addColumn('path', 'text', (column) => column.notNull())
      .addColumn('status', 'integer', (column) => column.notNull())
      .addColumn('reason', 'text')
      .addColumn('request_id', 'text', (column) => column.notNull())
      .addColumn('source_address', 'text', (column) => column.notNull())
      .execute()
    for (const [name, columns] of [
      ['audit_by_project', ['project', 'id']],
      ['audit_by_principal', ['principal', 'id']],
      ['audit_by_request', ['request_id']],
      ['audit_by_time', ['at_ms']],
    ] as const) {
      await db.schema
        .createIndex(name)
        .on('audit')
        .columns([...columns])
        .execute()
    }
  },
}

import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Instances that are on no host yet, and what each of them waits for. */
export const waitingMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await letHostsBeOpen(db)
    await db.schema
      .createTable('waiting')
      .addColumn('instance_uid', 'text', (column) => column.primaryKey().references('instances.uid'))
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('zone', 'text', (column) => column.notNull())
      .addColumn('demand', 'text', (column) => column.notNull())
      .addColumn('since_ms', 'bigint', (column) => column.notNull())
      .addColumn('until_ms', 'bigint', (column) => column.notNull())
      .addColumn('stop_deadline_ms', 'integer', (column) => column.notNull())
      .addColumn('request_id', 'text', (column) => column.notNull())
      .execute()
    for (const column of ['project', 'zone']) {
      await db.schema.createIndex(`waiting_by_${column}`).on('waiting').column(column).execute()
    }
  },
}

/** SQLite can't let a column be null that could not: another one takes its place. */
async function letHostsBeOpen(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('instances')
    .addColumn('placed_on', 'text', (column) => column.references('hosts.host_id'))
    .execute()
  await sql`UPDATE instances SET placed_on = host_id`.execute(db)
  await db.schema.dropIndex('instances_by_host').execute()
  await db.schema.alterTable('instances').dropColumn('host_id').execute()
  await db.schema.alterTable('instances').renameColumn('placed_on', 'host_id').execute()
  await db.schema.createIndex('instances_by_host').on('instances').column('host_id').execute()
}

import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Operations, and instances that can be stopped: what they still hold, and which generation asked for what. */
export const operationsMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await createOperations(db)
    for (const [column, absent] of [
      ['holds', 'everything'],
      ['operation_id', ''],
    ] as const) {
      await db.schema
        .alterTable('instances')
        .addColumn(column, 'text', (added) => added.notNull().defaultTo(absent))
        .execute()
    }
    for (const [column, absent] of [
      ['start_generation', 1],
      ['reset_generation', 0],
    ] as const) {
      await db.schema
        .alterTable('instances')
        .addColumn(column, 'integer', (added) => added.notNull().defaultTo(absent))
        .execute()
    }
    await sql`UPDATE instances SET holds = 'nothing' WHERE released = 1`.execute(db)
    await db.schema.alterTable('instances').dropColumn('released').execute()
    await db.schema
      .alterTable('idempotency_keys')
      .addColumn('operation_id', 'text', (added) => added.notNull().defaultTo(''))
      .execute()
  },
}

async function createOperations(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('operations')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('verb', 'text', (column) => column.notNull())
    .addColumn('instance_uid', 'text', (column) => column.notNull())
    .addColumn('instance_id', 'text', (column) => column.notNull())
    .addColumn('generation', 'integer', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('error_reason', 'text')
    .addColumn('error_message', 'text')
    .addColumn('request_id', 'text', (column) => column.notNull())
    .addColumn('principal', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('ended_at_ms', 'bigint')
    .execute()
  const index = (name: string, columns: string[]) =>
    db.schema.createIndex(name).on('operations').columns(columns).execute()
  await index('operations_by_project', ['project', 'id'])
  await index('operations_by_instance', ['instance_uid', 'status'])
  await index('operations_by_end', ['ended_at_ms'])
}

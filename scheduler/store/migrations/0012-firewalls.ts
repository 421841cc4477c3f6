import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** What hosts can do, and how often the rules of a network have changed since hosts began to care. */
export const firewallsMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema
      .alterTable('hosts')
      .addColumn('features', 'text', (column) => column.notNull().defaultTo('[]'))
      .execute()
    await db.schema
      .createTable('firewalls')
      .addColumn('network_uid', 'text', (column) =>
        column.primaryKey().references('resources.uid').onDelete('cascade'),
      )
      .addColumn('generation', 'integer', (column) => column.notNull())
      .execute()
  },
}

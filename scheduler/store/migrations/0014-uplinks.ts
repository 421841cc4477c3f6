import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** What joins hosts to each other. */
export const uplinksMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema
      .alterTable('hosts')
      .addColumn('uplinks', 'text', (column) => column.notNull().defaultTo('[]'))
      .execute()
  },
}

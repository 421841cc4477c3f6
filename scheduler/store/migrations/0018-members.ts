import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Hosts forget the names of what is gone, so a deletion says in which networks it was. */
export const membersMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema
      .alterTable('deletions')
      .addColumn('networks', 'text', (column) => column.notNull().defaultTo('[]'))
      .execute()
  },
}

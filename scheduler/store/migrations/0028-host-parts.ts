import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** What of its host a guest is on, as its agent says; known once that reports it again. */
export const hostPartsMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema.alterTable('instances').addColumn('host_part', 'text').execute()
  },
}

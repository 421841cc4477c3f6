import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** What a host has acknowledged is not in its outbox any more: to say it again costs a page for each host. */
export const acknowledgementsMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema.alterTable('hosts').dropColumn('acknowledged_sequence').execute()
  },
}

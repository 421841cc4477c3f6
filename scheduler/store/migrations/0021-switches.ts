import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Which GPUs are near to one another; of those that are there already it is known once their agents come back. */
export const switchesMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema.alterTable('devices').addColumn('switch_id', 'text').execute()
  },
}

import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Which GPUs of a host go to a guest together; none are asked for where nothing joins them. */
export const partitionsMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema.alterTable('hosts').addColumn('partitions', 'text').execute()
  },
}

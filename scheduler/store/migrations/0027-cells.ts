import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** vCPUs and memory of a host by NUMA cell; known once its agent comes back. */
export const cellsMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema.alterTable('hosts').addColumn('cells', 'text').execute()
  },
}

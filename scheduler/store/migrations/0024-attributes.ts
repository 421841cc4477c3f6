import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Filters look at the attributes of one instance after the other: nothing reads an index of values, and each create fills it. */
export const attributesMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema.dropIndex('attributes_by_value').execute()
  },
}

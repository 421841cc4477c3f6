import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Images say their flavour as the API does. */
export const flavoursMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await sql`update resources
      set body = replace(body, '"metadataFlavour":"nocloud"', '"metadataFlavour":"NOCLOUD"')
      where collection = 'images'`.execute(db)
  },
}

import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** What hosts say of themselves before their zone's words are put on it: those can change while the hosts are there. */
export const placesMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema.alterTable('hosts').addColumn('vcpus_allocatable', 'integer').execute()
    await db.schema.alterTable('devices').addColumn('pci_id', 'text').execute()
  },
}

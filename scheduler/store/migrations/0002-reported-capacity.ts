import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** What a host reports, apart from what it is held to; and keys that outlive their instance, found by age. */
export const reportedCapacityMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    for (const column of ['vcpus_reported', 'memory_mib_reported', 'disk_gb_reported']) {
      await db.schema
        .alterTable('hosts')
        .addColumn(column, 'bigint', (added) => added.notNull().defaultTo(0))
        .execute()
    }
    await sql`UPDATE hosts SET vcpus_reported = vcpus_capacity, memory_mib_reported = memory_mib_capacity,
      disk_gb_reported = disk_gb_capacity`.execute(db)
    await db.schema.dropIndex('idempotency_keys_by_instance').execute()
    await db.schema
      .createIndex('idempotency_keys_by_age')
      .on('idempotency_keys')
      .column('created_at_ms')
      .execute()
  },
}

import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/**
 * Places on hosts that reservations keep. A device is claimed by an instance, by a place, or by both: one row each, so
 * that no device can be given out twice.
 */
export const reservationsMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema
      .createTable('reservation_slots')
      .addColumn('uid', 'text', (column) => column.primaryKey())
      .addColumn('reservation_uid', 'text', (column) => column.notNull().references('resources.uid'))
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('host_id', 'text', (column) => column.notNull().references('hosts.host_id'))
      .addColumn('demand', 'text', (column) => column.notNull())
      .addColumn('instance_uid', 'text', (column) => column.unique().references('instances.uid'))
      .execute()
    for (const column of ['reservation_uid', 'project', 'host_id']) {
      await db.schema.createIndex(`slots_by_${column}`).on('reservation_slots').column(column).execute()
    }
    await claimDevicesAnew(db)
  },
}

async function claimDevicesAnew(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('device_claims').renameTo('instance_devices').execute()
  const device = ['host_id', 'address'] as const
  await db.schema
    .createTable('device_claims')
    .addColumn('host_id', 'text', (column) => column.notNull())
    .addColumn('address', 'text', (column) => column.notNull())
    .addColumn('instance_uid', 'text', (column) => column.references('instances.uid'))
    .addColumn('slot_uid', 'text', (column) => column.references('reservation_slots.uid'))
    .addPrimaryKeyConstraint('claims_of_devices', [...device])
    .addForeignKeyConstraint('claimed_devices', [...device], 'devices', [...device])
    .execute()
  const old = db as Kysely<OldTables>
  const columns = [...device, 'instance_uid'] as const
  await old
    .insertInto('device_claims')
    .columns(columns)
    .expression(old.selectFrom('instance_devices').select(columns))
    .execute()
  await db.schema.dropTable('instance_devices').execute()
  for (const column of ['instance_uid', 'slot_uid']) {
    await db.schema.createIndex(`devices_by_${column}`).on('device_claims').column(column).execute()
  }
}

interface OldTables {
  instance_devices: { host_id: string; address: string; instance_uid: string }
  device_claims: OldTables['instance_devices']
}

import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/**
 * Resources with who uses them and what they take. Addresses are claimed by NICs, by reservations, or by both: one row
 * each, so that no address can be given out twice.
 */
export const resourcesMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema
      .createTable('resources')
      .addColumn('uid', 'text', (column) => column.primaryKey())
      .addColumn('collection', 'text', (column) => column.notNull())
      .addColumn('scope', 'text', (column) => column.notNull())
      .addColumn('id', 'text', (column) => column.notNull())
      .addColumn('parent_uid', 'text', (column) => column.references('resources.uid'))
      .addColumn('body', 'text', (column) => column.notNull())
      .addColumn('is_declared', 'integer', (column) => column.notNull())
      .addColumn('revision', 'integer', (column) => column.notNull())
      .addColumn('change', 'bigint', (column) => column.notNull())
      .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
      .addUniqueConstraint('resources_by_name', ['collection', 'scope', 'id'])
      .execute()
    await db.schema.createIndex('resources_by_parent').on('resources').column('parent_uid').execute()
    await db.schema.createIndex('resources_by_change').on('resources').column('change').execute()
    await db.schema
      .createTable('resource_deletions')
      .addColumn('change', 'bigint', (column) => column.primaryKey())
      .addColumn('uid', 'text', (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('resource_uses')
      .addColumn('resource_uid', 'text', (column) => column.notNull().references('resources.uid'))
      .addColumn('instance_uid', 'text', (column) => column.notNull().references('instances.uid'))
      .addPrimaryKeyConstraint('resource_uses_key', ['resource_uid', 'instance_uid'])
      .execute()
    await db.schema
      .createIndex('resource_uses_by_instance')
      .on('resource_uses')
      .column('instance_uid')
      .execute()
    await db.schema
      .createTable('vlan_claims')
      .addColumn('vlan', 'integer', (column) => column.primaryKey())
      .addColumn('network_uid', 'text', (column) => column.notNull().references('resources.uid'))
      .execute()
    await claimAddressesAnew(db)
  },
}

async function claimAddressesAnew(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('address_claims').renameTo('nic_addresses').execute()
  await db.schema
    .createTable('address_claims')
    .addColumn('network_uid', 'text', (column) => column.notNull())
    // As a number, so that the lowest free one can be found by comparing.
    .addColumn('ipv4', 'bigint', (column) => column.notNull())
    .addColumn('mac_address', 'text', (column) => column.unique())
    .addColumn('instance_uid', 'text', (column) => column.references('instances.uid'))
    .addColumn('reservation_uid', 'text', (column) => column.unique().references('resources.uid'))
    .addPrimaryKeyConstraint('address_claims_key', ['network_uid', 'ipv4'])
    .execute()
  const old = db as Kysely<OldTables>
  const columns = ['network_uid', 'ipv4', 'mac_address', 'instance_uid'] as const
  await old
    .insertInto('address_claims')
    .columns(columns)
    .expression(old.selectFrom('nic_addresses').select(columns))
    .execute()
  await db.schema.dropTable('nic_addresses').execute()
  await db.schema
    .createIndex('address_claims_of_instance')
    .on('address_claims')
    .column('instance_uid')
    .execute()
}

interface OldTables {
  nic_addresses: { network_uid: string; ipv4: number; mac_address: string; instance_uid: string }
  address_claims: OldTables['nic_addresses']
}

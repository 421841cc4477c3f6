import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { ColumnTypes } from './column-types.ts'

/**
 * Hosts with their counters, devices, instances, addresses, the outbox, events and idempotency keys. Counters carry
 * CHECKs and claims carry unique constraints, so that no code path can hand out the same thing twice.
 */
export function instancesMigration(types: ColumnTypes): Migration {
  return { up: (db) => createTables(db, types) }
}

async function createTables(db: Kysely<unknown>, types: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('sequences')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('value', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('hosts')
    .addColumn('host_id', 'text', (column) => column.primaryKey())
    .addColumn('zone', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('architecture', 'text', (column) => column.notNull())
    .addColumn('journal_uuid', 'text', (column) => column.notNull())
    .addColumn('boot_id', 'text', (column) => column.notNull())
    .addColumn('agent_version', 'text', (column) => column.notNull())
    .addColumn('epoch', 'integer', (column) => column.notNull())
    .addColumn('facts', types.bytes, (column) => column.notNull())
    .addColumn('vcpus_capacity', 'integer', (column) => column.notNull())
    .addColumn('vcpus_used', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('memory_mib_capacity', 'bigint', (column) => column.notNull())
    .addColumn('memory_mib_used', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('disk_gb_capacity', 'bigint', (column) => column.notNull())
    .addColumn('disk_gb_used', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('next_command_sequence', 'bigint', (column) => column.notNull().defaultTo(1))
    .addColumn('acknowledged_sequence', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('revision', 'bigint', (column) => column.notNull())
    .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
    .addCheckConstraint('vcpus_within', sql`vcpus_used >= 0 AND vcpus_used <= vcpus_capacity`)
    .addCheckConstraint('memory_within', sql`memory_mib_used >= 0 AND memory_mib_used <= memory_mib_capacity`)
    .addCheckConstraint('disk_within', sql`disk_gb_used >= 0 AND disk_gb_used <= disk_gb_capacity`)
    .execute()
  await db.schema.createIndex('hosts_by_revision').on('hosts').column('revision').execute()
  await db.schema
    .createTable('devices')
    .addColumn('host_id', 'text', (column) => column.notNull().references('hosts.host_id'))
    .addColumn('address', 'text', (column) => column.notNull())
    .addColumn('accelerator_type', 'text')
    .addColumn('numa_node', 'integer', (column) => column.notNull())
    .addColumn('present', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('devices_key', ['host_id', 'address'])
    .execute()
  await db.schema
    .createTable('instances')
    .addColumn('uid', 'text', (column) => column.primaryKey())
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('host_id', 'text', (column) => column.notNull().references('hosts.host_id'))
    .addColumn('details', 'text', (column) => column.notNull())
    .addColumn('spec', types.bytes, (column) => column.notNull())
    .addColumn('demand', 'text', (column) => column.notNull())
    .addColumn('explanation', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('status_message', 'text', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('status_since_ms', 'bigint', (column) => column.notNull())
    .addColumn('desired_state', 'integer', (column) => column.notNull())
    .addColumn('generation', 'integer', (column) => column.notNull())
    .addColumn('released', 'integer', (column) => column.notNull())
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('instances_by_name', ['project', 'id'])
    .execute()
  await db.schema.createIndex('instances_by_project').on('instances').columns(['project', 'uid']).execute()
  await db.schema.createIndex('instances_by_host').on('instances').column('host_id').execute()
  await db.schema
    .createIndex('instances_by_status')
    .on('instances')
    .columns(['status', 'status_since_ms'])
    .execute()
  await db.schema
    .createTable('device_claims')
    .addColumn('host_id', 'text', (column) => column.notNull())
    .addColumn('address', 'text', (column) => column.notNull())
    .addColumn('instance_uid', 'text', (column) => column.notNull().references('instances.uid'))
    .addPrimaryKeyConstraint('device_claims_key', ['host_id', 'address'])
    .addForeignKeyConstraint('device_claims_device', ['host_id', 'address'], 'devices', [
      'host_id',
      'address',
    ])
    .execute()
  await db.schema
    .createIndex('device_claims_by_instance')
    .on('device_claims')
    .column('instance_uid')
    .execute()
  await db.schema
    .createTable('address_claims')
    .addColumn('network_uid', 'text', (column) => column.notNull())
    // As a number, so that the lowest free one can be found by comparing.
    .addColumn('ipv4', 'bigint', (column) => column.notNull())
    .addColumn('mac_address', 'text', (column) => column.notNull().unique())
    .addColumn('instance_uid', 'text', (column) => column.notNull().references('instances.uid'))
    .addPrimaryKeyConstraint('address_claims_key', ['network_uid', 'ipv4'])
    .execute()
  await db.schema
    .createIndex('address_claims_by_instance')
    .on('address_claims')
    .column('instance_uid')
    .execute()
  await db.schema
    .createTable('outbox')
    .addColumn('host_id', 'text', (column) => column.notNull())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .addColumn('command', types.bytes, (column) => column.notNull())
    .addPrimaryKeyConstraint('outbox_key', ['host_id', 'sequence'])
    .execute()
  await db.schema
    .createTable('events')
    .addColumn('instance_uid', 'text', (column) => column.notNull())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .addColumn('from_status', 'text')
    .addColumn('to_status', 'text')
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('message', 'text', (column) => column.notNull())
    .addColumn('at_ms', 'bigint', (column) => column.notNull())
    .addColumn('request_id', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('events_key', ['instance_uid', 'sequence'])
    .execute()
  await db.schema
    .createTable('idempotency_keys')
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('principal', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('request_hash', 'text', (column) => column.notNull())
    .addColumn('instance_uid', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('idempotency_keys_key', ['project', 'principal', 'key'])
    .execute()
  await db.schema
    .createIndex('idempotency_keys_by_instance')
    .on('idempotency_keys')
    .column('instance_uid')
    .execute()
}

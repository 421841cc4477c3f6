import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** What operators write on hosts, and of instances what matters to those that are placed later. */
export const schedulingMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema
      .alterTable('hosts')
      .addColumn('labels', 'text', (column) => column.notNull().defaultTo('{}'))
      .execute()
    await db.schema
      .createTable('occupants')
      .addColumn('instance_uid', 'text', (column) => column.primaryKey().references('instances.uid'))
      .addColumn('host_id', 'text', (column) => column.notNull().references('hosts.host_id'))
      .addColumn('isolation', 'text')
      .addColumn('expected_end_ms', 'bigint')
      .execute()
    await db.schema.createIndex('occupants_by_host').on('occupants').column('host_id').execute()
    await db.schema
      .createTable('group_members')
      .addColumn('group_name', 'text', (column) => column.notNull())
      .addColumn('instance_uid', 'text', (column) => column.notNull().references('occupants.instance_uid'))
      .addPrimaryKeyConstraint('group_members_key', ['instance_uid', 'group_name'])
      .execute()
    await db.schema.createIndex('members_by_group').on('group_members').column('group_name').execute()
  },
}

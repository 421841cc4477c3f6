import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { ColumnTypes } from './column-types.ts'

/** Disks that outlive instances, and operations that are about one. */
export const disksMigration = ({ bytes }: ColumnTypes): Migration => ({
  up: async (db: Kysely<unknown>) => {
    await db.schema
      .createTable('disks')
      .addColumn('uid', 'text', (column) => column.primaryKey())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('project_uid', 'text', (column) => column.notNull().references('resources.uid'))
      .addColumn('image_uid', 'text', (column) => column.references('resources.uid'))
      .addColumn('id', 'text', (column) => column.notNull())
      .addColumn('zone', 'text', (column) => column.notNull())
      .addColumn('size_gb', 'bigint', (column) => column.notNull())
      .addColumn('source', 'text')
      .addColumn('image', bytes as never)
      .addColumn('description', 'text')
      .addColumn('labels', 'text', (column) => column.notNull())
      .addColumn('host_id', 'text')
      .addColumn('instance_uid', 'text')
      .addColumn('detaching', 'integer', (column) => column.notNull())
      .addColumn('made', 'integer', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('status_message', 'text', (column) => column.notNull())
      .addColumn('generation', 'integer', (column) => column.notNull())
      .addColumn('operation_id', 'text', (column) => column.notNull())
      .addColumn('revision', 'bigint', (column) => column.notNull())
      .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
      .addUniqueConstraint('disk_name', ['project', 'id'])
      .execute()
    await db.schema.createIndex('disks_of_project').on('disks').column('project_uid').execute()
    await db.schema.createIndex('disks_of_image').on('disks').column('image_uid').execute()
    await db.schema.createIndex('disks_of_host').on('disks').column('host_id').execute()
    await db.schema.createIndex('disks_of_instance').on('disks').column('instance_uid').execute()
    await db.schema
      .alterTable('operations')
      .addColumn('collection', 'text', (column) => column.notNull().defaultTo('instances'))
      .execute()
    await db.schema.alterTable('operations').addColumn('disk_uid', 'text').execute()
  },
})

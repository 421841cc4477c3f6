import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** Lists that filter and sort, and changes that can be followed. */
export const listsMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema
      .createTable('attributes')
      .addColumn('instance_uid', 'text', (column) => column.notNull().references('instances.uid'))
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('value', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('attributes_key', ['instance_uid', 'name', 'value'])
      .execute()
    await db.schema
      .createIndex('attributes_by_value')
      .on('attributes')
      .columns(['name', 'value', 'instance_uid'])
      .execute()
    await db.schema
      .createTable('deletions')
      .addColumn('change', 'bigint', (column) => column.primaryKey())
      .addColumn('instance_uid', 'text', (column) => column.notNull())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('id', 'text', (column) => column.notNull())
      .addColumn('at_ms', 'bigint', (column) => column.notNull())
      .execute()
    await db.schema.createIndex('deletions_by_time').on('deletions').column('at_ms').execute()
    await db.schema
      .alterTable('instances')
      .addColumn('change', 'bigint', (column) => column.notNull().defaultTo(0))
      .execute()
    await db.schema.createIndex('instances_by_change').on('instances').column('change').execute()
    await db.schema
      .createIndex('instances_by_update')
      .on('instances')
      .columns(['project', 'updated_at_ms', 'uid'])
      .execute()
    await fillAttributes(db)
  },
}

/** As later writes do, for instances that are there already. */
async function fillAttributes(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ uid: string; details: string }>`SELECT uid, details FROM instances`.execute(db)
  for (const { uid, details } of rows) {
    const { type, hostname, displayName, labels } = JSON.parse(details) as Record<string, string> & {
      labels: Record<string, string>
    }
    const pairs = [...new Set([type, type?.slice(type.lastIndexOf('/') + 1)])].map((value) => ['type', value])
    pairs.push(['hostname', hostname], ['displayName', displayName])
    for (const [key, value] of Object.entries(labels)) pairs.push([`labels.${key}`, value])
    for (const [name, value] of pairs) {
      if (value === undefined) continue
      await sql`INSERT INTO attributes (instance_uid, name, value) VALUES (${uid}, ${name}, ${value})`.execute(
        db,
      )
    }
  }
}

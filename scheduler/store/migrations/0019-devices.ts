import type { ColumnDataType, Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** What agents say of each device, what operators have asked of it, and what its zone makes of one that is unscrubbed. */
export const devicesMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    const add = (name: string, type: ColumnDataType, initially?: string | number) =>
      db.schema
        .alterTable('devices')
        .addColumn(name, type, (column) =>
          initially === undefined ? column : column.notNull().defaultTo(initially),
        )
        .execute()
    await add('state', 'text', 'FREE')
    await add('reason', 'text', '')
    await add('message', 'text', '')
    await add('entered_at_ms', 'bigint')
    await add('deadline_ms', 'bigint')
    await add('holder_uid', 'text')
    await add('unscrubbed_project', 'text')
    await add('generation', 'integer', 0)
    await add('request_id', 'text', '')
    await add('observed_at_ms', 'bigint')
    await add('command_generation', 'integer', 0)
    await add('command_verb', 'text')
    await add('command_request_id', 'text')
    await add('command_at_ms', 'bigint')
    await add('command_error_reason', 'text')
    await add('command_error_message', 'text')
    await db.schema
      .alterTable('hosts')
      .addColumn('unscrubbed_devices', 'text', (column) => column.notNull().defaultTo('quarantine'))
      .execute()
  },
}

import { type ColumnDefinitionBuilder, type CreateTableBuilder, type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { ColumnTypes } from './column-types.ts'

/**
 * Tables whose keys rise with time, or that are little more than their key, lie in its order: a row is written once, and
 * not beside an index of its own. What few rows have is indexed for those alone.
 */
export const keyedRowsMigration = (types: ColumnTypes): Migration => ({
  up: async (db: Kysely<unknown>) => {
    for (const table of tables) await makeAnew(db, table, types)
    // Those that refer to others go first.
    for (const { name } of tables.toReversed()) await db.schema.dropTable(formerly(name)).execute()
    for (const { indexes } of tables) {
      for (const [name, make] of Object.entries(indexes)) await make(db.schema.createIndex(name)).execute()
    }
    await forgetUsesToldOtherwise(db)
  },
})

type Column = (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder
type Index = ReturnType<Kysely<unknown>['schema']['createIndex']>

type Making = CreateTableBuilder<string, string>

interface Table {
  readonly name: string
  readonly columns: Readonly<Record<string, readonly ['text' | 'integer' | 'bigint', Column?]>>
  readonly key: readonly string[]
  /** Keys of it come all over the place: beside an index of them alone, rows can lie close together. */
  readonly isScattered?: boolean
  readonly constrain?: (table: Making) => Making
  readonly indexes: Readonly<Record<string, (index: Index) => { execute(): Promise<void> }>>
}

const unchanged: Column = (column) => column
const always: Column = (column) => column.notNull()
const ofInstance: Column = (column) => column.references('instances.uid')
const ofThatInstance: Column = (column) => column.notNull().references('instances.uid')
const on =
  (table: string, ...columns: string[]) =>
  (index: Index) =>
    index.on(table).columns(columns)

const tables: readonly Table[] = [
  {
    name: 'sequences',
    columns: { name: ['text', always], value: ['bigint', always] },
    key: ['name'],
    indexes: {},
  },
  {
    name: 'quotas',
    columns: {
      ...{ project: ['text', always], metric: ['text', always] },
      ...{ used: ['bigint', always], maximum: ['bigint'] },
    },
    key: ['project', 'metric'],
    constrain: (table) => table.addCheckConstraint('quota_is_used', sql`used >= 0`),
    indexes: {},
  },
  {
    name: 'attributes',
    columns: { instance_uid: ['text', ofThatInstance], name: ['text', always], value: ['text', always] },
    key: ['instance_uid', 'name', 'value'],
    indexes: {},
  },
  {
    name: 'resource_uses',
    columns: {
      instance_uid: ['text', ofThatInstance],
      resource_uid: ['text', (column) => column.notNull().references('resources.uid')],
    },
    key: ['instance_uid', 'resource_uid'],
    indexes: { uses_by_resource: on('resource_uses', 'resource_uid', 'instance_uid') },
  },
  {
    name: 'devices',
    columns: {
      host_id: ['text', (column) => column.notNull().references('hosts.host_id')],
      ...{ address: ['text', always], pci_id: ['text'], accelerator_type: ['text'] },
      ...{ numa_node: ['integer', always], switch_id: ['text'], present: ['integer', always] },
      state: ['text', (column) => column.notNull().defaultTo('FREE')],
      reason: ['text', (column) => column.notNull().defaultTo('')],
      message: ['text', (column) => column.notNull().defaultTo('')],
      ...{ entered_at_ms: ['bigint'], deadline_ms: ['bigint'] },
      ...{ holder_uid: ['text'], unscrubbed_project: ['text'] },
      generation: ['integer', (column) => column.notNull().defaultTo(0)],
      request_id: ['text', (column) => column.notNull().defaultTo('')],
      observed_at_ms: ['bigint'],
      command_generation: ['integer', (column) => column.notNull().defaultTo(0)],
      ...{ command_verb: ['text'], command_request_id: ['text'], command_at_ms: ['bigint'] },
      ...{ command_error_reason: ['text'], command_error_message: ['text'] },
    },
    key: ['host_id', 'address'],
    indexes: {},
  },
  {
    name: 'device_claims',
    columns: {
      ...{ host_id: ['text', always], address: ['text', always], instance_uid: ['text', ofInstance] },
      slot_uid: ['text', (column) => column.references('reservation_slots.uid')],
    },
    key: ['host_id', 'address'],
    isScattered: true,
    constrain: (table) =>
      table.addForeignKeyConstraint('claimed_device', ['host_id', 'address'], 'devices', [
        'host_id',
        'address',
      ]),
    indexes: {
      devices_by_instance: on('device_claims', 'instance_uid'),
      devices_by_slot: (index) =>
        index.on('device_claims').column('slot_uid').where(sql.ref('slot_uid'), 'is not', null),
    },
  },
  {
    name: 'address_claims',
    columns: {
      // The address as a number, so that the lowest free one can be found by comparing.
      ...{ network_uid: ['text', always], ipv4: ['bigint', always] },
      mac_address: ['text', (column) => column.unique()],
      instance_uid: ['text', ofInstance],
      reservation_uid: ['text', (column) => column.references('resources.uid')],
    },
    key: ['network_uid', 'ipv4'],
    isScattered: true,
    indexes: {
      addresses_by_instance: on('address_claims', 'instance_uid'),
      addresses_by_reservation: (index) =>
        index
          .unique()
          .on('address_claims')
          .column('reservation_uid')
          .where(sql.ref('reservation_uid'), 'is not', null),
    },
  },
  {
    name: 'events',
    columns: {
      ...{ instance_uid: ['text', always], sequence: ['bigint', always] },
      ...{ from_status: ['text'], to_status: ['text'], reason: ['text', always], message: ['text', always] },
      ...{ at_ms: ['bigint', always], request_id: ['text', always] },
    },
    key: ['instance_uid', 'sequence'],
    indexes: {},
  },
  {
    name: 'operations',
    columns: {
      ...{ id: ['text', always], project: ['text', always], verb: ['text', always] },
      ...{ instance_uid: ['text', always], instance_id: ['text', always], generation: ['integer', always] },
      collection: ['text', (column) => column.notNull().defaultTo('instances')],
      ...{ disk_uid: ['text'], status: ['text', always], error_reason: ['text'], error_message: ['text'] },
      ...{ request_id: ['text', always], principal: ['text', always] },
      ...{ created_at_ms: ['bigint', always], ended_at_ms: ['bigint'] },
    },
    key: ['id'],
    indexes: {
      operations_of_project: on('operations', 'project', 'id'),
      operations_of_instance: on('operations', 'instance_uid', 'status'),
      operations_ended: (index) =>
        index.on('operations').column('ended_at_ms').where(sql.ref('ended_at_ms'), 'is not', null),
    },
  },
  {
    name: 'audit',
    columns: {
      ...{ id: ['text', always], at_ms: ['bigint', always], principal: ['text', always], project: ['text'] },
      ...{ action: ['text', always], method: ['text', always], path: ['text', always] },
      ...{ status: ['integer', always], reason: ['text'] },
      ...{ request_id: ['text', always], source_address: ['text', always] },
    },
    key: ['id'],
    indexes: {
      audit_of_project: on('audit', 'project', 'id'),
      audit_of_principal: on('audit', 'principal', 'id'),
      audit_of_request: on('audit', 'request_id'),
      audit_at: on('audit', 'at_ms'),
    },
  },
]

const formerly = (name: string) => `former_${name}`

/** References to it follow its name until they are made anew themselves. */
async function makeAnew(db: Kysely<unknown>, table: Table, { keyed }: ColumnTypes): Promise<void> {
  const { name, columns, key, isScattered = false, constrain = (made) => made } = table
  await db.schema.alterTable(name).renameTo(formerly(name)).execute()
  let made: Making = db.schema.createTable(name)
  for (const [column, [type, build = unchanged]] of Object.entries(columns)) {
    made = made.addColumn(column, type, build)
  }
  made = constrain(made.addPrimaryKeyConstraint(`${name}_rows`, [...key]))
  await (isScattered ? made : made.modifyEnd(keyed)).execute()
  const names = sql.join(Object.keys(columns).map((column) => sql.ref(column)))
  await sql`INSERT INTO ${sql.table(name)} (${names}) SELECT ${names} FROM ${sql.table(formerly(name))}`.execute(
    db,
  )
}

/** As later writes do. */
async function forgetUsesToldOtherwise(db: Kysely<unknown>): Promise<void> {
  await sql`DELETE FROM resource_uses WHERE resource_uid IN
    (SELECT uid FROM resources WHERE collection IN ('projects', 'subnets'))`.execute(db)
}

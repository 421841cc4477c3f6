import Database from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'
import { Migrator } from 'kysely/migration'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { migrateToLatest, migrationsFor } from '../../../scheduler/store/migrations/migrate.ts'
import { columnTypes } from '../../../scheduler/store/sqlite/column-types.ts'

let database: Database.Database
let db: Kysely<unknown>
beforeEach(() => {
  database = new Database(':memory:')
  database.pragma('foreign_keys = ON')
  db = new Kysely({ dialect: new SqliteDialect({ database }) })
})
afterEach(() => db.destroy())

async function migrateThrough(last: string): Promise<void> {
  const names = Object.keys(migrationsFor(columnTypes)).filter((name) => name <= last)
  const all = migrationsFor(columnTypes)
  const known = Object.fromEntries(names.flatMap((name) => (all[name] ? [[name, all[name]]] : [])))
  const migrator = new Migrator({ db, provider: { getMigrations: async () => known } })
  const { error } = await migrator.migrateToLatest()
  expect(error).toBeUndefined()
}

interface Column {
  readonly name: string
  readonly type: string
}

function fillingOf({ name, type }: Column): string | number | Buffer {
  if (/int/i.test(type)) return 1
  if (/blob/i.test(type)) return Buffer.from(name)
  if (name.endsWith('uid')) return 'uid-1'
  return name
}

/** A row with something in each column; uids and host ids are the same everywhere. */
function insert(table: string, changes: Readonly<Record<string, string>> = {}): void {
  const columns = database.pragma(`table_info(${table})`) as Column[]
  const values = columns.map((column) => changes[column.name] ?? fillingOf(column))
  const names = columns.map(({ name }) => `"${name}"`).join()
  database.prepare(`INSERT INTO ${table} (${names}) VALUES (${values.map(() => '?').join()})`).run(...values)
}

const made = [
  ...['sequences', 'quotas', 'attributes', 'resource_uses', 'devices', 'device_claims'],
  ...['address_claims', 'events', 'operations', 'audit'],
]
const rowsOf = (table: string) => database.prepare(`SELECT * FROM ${table}`).all() as object[]

it('keeps every row of the tables that it makes anew, but for uses that are told otherwise', async () => {
  await migrateThrough('0024-attributes')
  insert('hosts')
  insert('resources', { collection: 'networks' })
  insert('resources', { uid: 'project-uid', collection: 'projects' })
  insert('instances')
  insert('reservation_slots')
  for (const table of made) insert(table)
  const before = made.map(rowsOf)
  insert('resource_uses', { resource_uid: 'project-uid' })
  await migrateToLatest(db, columnTypes)
  expect(made.map(rowsOf)).toEqual(before)
  expect(database.pragma('foreign_key_check')).toEqual([])
  expect(database.prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'former%'").all()).toEqual([])
  expect(() => database.exec("DELETE FROM devices WHERE host_id = 'host_id'")).toThrow('FOREIGN KEY')
  expect(() => insert('device_claims')).toThrow('UNIQUE')
  expect(() => insert('address_claims', { network_uid: 'another', mac_address: 'another' })).toThrow(
    'address_claims.reservation_uid',
  )
})

// The database itself: opened, brought to this version, and one batch of calls at a time. Calls of a batch share one
// transaction and one flush; a call that fails takes back its own savepoint and nobody else's.
import { chmodSync, closeSync, existsSync, openSync } from 'node:fs'
import Database from 'better-sqlite3'
import { CompiledQuery, type ControlledTransaction, type Driver, Kysely, SqliteDialect, sql } from 'kysely'
import { migrateToLatest } from '../migrations/migrate.ts'
import { procedures, type StoreMethod, writes } from '../procedures/catalogue.ts'
import { readCapacityAfter, readHostRevision } from '../procedures/hosts.ts'
import { Refused } from '../procedures/refused.ts'
import type { Tx } from '../procedures/rows.ts'
import type { Tables } from '../tables.ts'
import { withPreparedStatements } from './prepared-statements.ts'
import type { BatchOutcome, WorkerCall, WorkerOutcome, WorkerSettings } from './protocol.ts'

export interface Engine {
  /** On disk when it resolves. */
  run(calls: readonly WorkerCall[]): Promise<BatchOutcome>
  close(): Promise<void>
}

/** @throws if the file can't be opened or is of a newer version. */
export async function openEngine(settings: WorkerSettings): Promise<Engine> {
  const db = await openDatabase(settings)
  const told = { revision: await db.transaction().setAccessMode('read only').execute(readHostRevision) }
  return { run: (calls) => runBatch(db, calls, { ...settings, told }), close: () => db.destroy() }
}

const pragmas = [
  'journal_mode = WAL',
  'synchronous = FULL',
  'foreign_keys = ON',
  'busy_timeout = 5000',
  // What a savepoint would take back is kept in memory: in a file, each call of a batch would write some.
  'temp_store = MEMORY',
  // In KiB where negative. The pages that every create writes to, and those that placement reads, stay in memory.
  'cache_size = -131072',
] as const

async function openDatabase({ path }: WorkerSettings): Promise<Kysely<Tables>> {
  if (path !== ':memory:') closeToOthers(path)
  const database = new Database(path)
  for (const pragma of pragmas) database.pragma(pragma)
  // Without kept statements: they would know the columns of before a migration.
  const bare = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) })
  await migrateToLatest(bare, { bytes: sql`blob` })
  return new Kysely<Tables>({ dialect: new ImmediateDialect({ database: withPreparedStatements(database) }) })
}

/**
 * What may write has the database to itself from its beginning. One that began by reading could not go on to write where
 * another process has written meanwhile.
 */
class ImmediateDialect extends SqliteDialect {
  override createDriver(): Driver {
    const driver = super.createDriver()
    const begin = CompiledQuery.raw('BEGIN')
    const beginImmediate = CompiledQuery.raw('BEGIN IMMEDIATE')
    driver.beginTransaction = async (connection, { accessMode }) => {
      await connection.executeQuery(accessMode === 'read only' ? begin : beginImmediate)
    }
    return driver
  }
}

/** User data and keys of tenants are in there. SQLite gives the files beside it the rights of the database. */
function closeToOthers(path: string): void {
  closeSync(openSync(path, 'a', 0o600))
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    if (existsSync(file)) chmodSync(file, 0o600)
  }
}

async function runBatch(
  db: Kysely<Tables>,
  calls: readonly WorkerCall[],
  { flushDelayMs, told }: WorkerSettings & { told: { revision: number } },
): Promise<BatchOutcome> {
  let tx: ControlledTransaction<Tables> | undefined
  try {
    const hasWritten = calls.some((call) => writes.has(call.method))
    tx = await db
      .startTransaction()
      .setAccessMode(hasWritten ? 'read write' : 'read only')
      .execute()
    const outcomes: WorkerOutcome[] = []
    for (const call of calls) outcomes.push(await runCall(tx, call))
    const changedHosts = hasWritten ? await readCapacityAfter(tx, told.revision) : []
    if (flushDelayMs > 0 && hasWritten) pause(flushDelayMs)
    await tx.commit().execute()
    for (const { revision } of changedHosts) told.revision = Math.max(told.revision, revision)
    return { outcomes, changedHosts }
  } catch (thrown) {
    // On a full disk SQLite may have rolled back by itself, and then there is nothing to roll back.
    await tx
      ?.rollback()
      .execute()
      .catch(() => {})
    const message = `The store could not commit: ${sentenceOf(thrown)}`
    const outcomes = calls.map(({ id }) => ({ id, ok: false, isUnavailable: true, message }) as const)
    return { outcomes, changedHosts: [] }
  }
}

const savepoint = CompiledQuery.raw('SAVEPOINT item')
const releaseSavepoint = CompiledQuery.raw('RELEASE item')
const rollBackToSavepoint = CompiledQuery.raw('ROLLBACK TO item')

async function runCall(tx: ControlledTransaction<Tables>, call: WorkerCall): Promise<WorkerOutcome> {
  const { id, method, args } = call
  if (!writes.has(method)) {
    return attempt(id, () => procedure(method)(tx, ...args))
  }
  await tx.executeQuery(savepoint)
  const outcome = await attempt(id, () => procedure(method)(tx, ...args))
  if (outcome.ok && !(outcome.value instanceof Refused)) {
    await tx.executeQuery(releaseSavepoint)
    return outcome
  }
  await tx.executeQuery(rollBackToSavepoint)
  return outcome.ok ? { id, ok: true, value: (outcome.value as Refused).outcome } : outcome
}

async function attempt(id: number, run: () => Promise<unknown>): Promise<WorkerOutcome> {
  try {
    return { id, ok: true, value: await run() }
  } catch (thrown) {
    if (thrown instanceof Refused) return { id, ok: true, value: thrown }
    return { id, ok: false, isUnavailable: isTroubleOfTheMachine(thrown), message: sentenceOf(thrown) }
  }
}

function procedure(method: StoreMethod): (tx: Tx, ...args: readonly unknown[]) => Promise<unknown> {
  return procedures[method] as never
}

/** Blocks this thread, as a slow disk would. */
function pause(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs)
}

/** Not of the statement: the same call can succeed later. */
const isTroubleOfTheMachine = (thrown: unknown) =>
  thrown instanceof Database.SqliteError &&
  /^SQLITE_(FULL|IOERR|BUSY|LOCKED|NOMEM|READONLY)/.test(thrown.code)

export const sentenceOf = (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown))

// The database itself: opened, brought to this version, and one batch of calls at a time. Calls of a batch share one
// transaction and one flush; a call that fails takes back its own savepoint and nobody else's.
import { chmodSync, closeSync, existsSync, openSync } from 'node:fs'
import Database from 'better-sqlite3'
import { type ControlledTransaction, Kysely, SqliteDialect, sql } from 'kysely'
import { migrateToLatest } from '../migrations/migrate.ts'
import { procedures, type StoreMethod, writes } from '../procedures/catalogue.ts'
import { Refused } from '../procedures/refused.ts'
import type { Tx } from '../procedures/rows.ts'
import type { Tables } from '../tables.ts'
import { withPreparedStatements } from './prepared-statements.ts'
import type { WorkerCall, WorkerOutcome, WorkerSettings } from './protocol.ts'

export interface Engine {
  /** Outcomes in the order of the calls; on disk when it resolves. */
  run(calls: readonly WorkerCall[]): Promise<readonly WorkerOutcome[]>
  close(): Promise<void>
}

/** @throws if the file can't be opened or is of a newer version. */
export async function openEngine(settings: WorkerSettings): Promise<Engine> {
  const db = await openDatabase(settings)
  return { run: (calls) => runBatch(db, calls, settings), close: () => db.destroy() }
}

async function openDatabase({ path }: WorkerSettings): Promise<Kysely<Tables>> {
  if (path !== ':memory:') closeToOthers(path)
  const database = new Database(path)
  for (const pragma of [
    'journal_mode = WAL',
    'synchronous = FULL',
    'foreign_keys = ON',
    'busy_timeout = 5000',
  ]) {
    database.pragma(pragma)
  }
  // Without kept statements: they would know the columns of before a migration.
  const bare = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) })
  await migrateToLatest(bare, { bytes: sql`blob` })
  return new Kysely<Tables>({ dialect: new SqliteDialect({ database: withPreparedStatements(database) }) })
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
  settings: WorkerSettings,
): Promise<readonly WorkerOutcome[]> {
  let tx: ControlledTransaction<Tables> | undefined
  try {
    tx = await db.startTransaction().execute()
    const outcomes: WorkerOutcome[] = []
    for (const call of calls) outcomes.push(await runCall(tx, call))
    if (settings.flushDelayMs > 0 && calls.some((call) => writes.has(call.method)))
      pause(settings.flushDelayMs)
    await tx.commit().execute()
    return outcomes
  } catch (thrown) {
    // On a full disk SQLite may have rolled back by itself, and then there is nothing to roll back.
    await tx
      ?.rollback()
      .execute()
      .catch(() => {})
    const message = `The store could not commit: ${sentenceOf(thrown)}`
    return calls.map(({ id }) => ({ id, ok: false, isUnavailable: true, message }))
  }
}

async function runCall(tx: ControlledTransaction<Tables>, call: WorkerCall): Promise<WorkerOutcome> {
  const { id, method, args } = call
  if (!writes.has(method)) {
    return attempt(id, () => procedure(method)(tx, ...args))
  }
  const point = await tx.savepoint('item').execute()
  const outcome = await attempt(id, () => procedure(method)(point, ...args))
  if (outcome.ok && !(outcome.value instanceof Refused)) {
    await point.releaseSavepoint('item').execute()
    return outcome
  }
  await point.rollbackToSavepoint('item').execute()
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

// The database itself: opened, brought to this version, and one batch of calls at a time. Calls of a batch share one
// transaction and one flush; a call that fails takes back what it has done and nobody else's.
import { chmodSync, closeSync, existsSync, openSync } from 'node:fs'
import Database from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'
import { migrateToLatest } from '../migrations/migrate.ts'
import { readHostRevision } from '../procedures/hosts.ts'
import { runBatch, runInSavepoint, runPlainly, Spoilt } from './batch.ts'
import { columnTypes } from './column-types.ts'
import type { LogLength } from './log-keeper.ts'
import type { BatchOutcome, WorkerCall, WorkerSettings } from './protocol.ts'
import { type Transactions, transactionsOn } from './transactions.ts'

export interface Engine {
  /** On disk when it resolves. */
  run(calls: readonly WorkerCall[]): Promise<BatchOutcome>
  readLogLength(): LogLength
  /** Into the database, as far as nobody reads what was there before. */
  moveLog(): void
  close(): void
}

/** Who is refused something once is often followed by others. */
const savepointsAfterSpoilt = 16

/** @throws if the file can't be opened or is of a newer version. */
export async function openEngine(settings: WorkerSettings): Promise<Engine> {
  const database = await openDatabase(settings)
  const transactions = transactionsOn(database)
  let revision = await readRevision(transactions)
  let batchesInSavepoints = 0
  const lengthOfLog = database.prepare('PRAGMA wal_checkpoint(NOOP)')

  async function runEither(calls: readonly WorkerCall[]): Promise<BatchOutcome> {
    const batch = { transactions, calls, revision, flushDelayMs: settings.flushDelayMs }
    if (batchesInSavepoints > 0) {
      batchesInSavepoints -= 1
      return runBatch(batch, runInSavepoint)
    }
    try {
      return await runBatch(batch, runPlainly)
    } catch (thrown) {
      if (!(thrown instanceof Spoilt)) throw thrown
      batchesInSavepoints = savepointsAfterSpoilt
      return runBatch(batch, runInSavepoint)
    }
  }

  return {
    run: async (calls) => {
      const outcome = await runEither(calls)
      revision = Math.max(revision, ...outcome.changedHosts.map((host) => host.revision))
      return outcome
    },
    readLogLength: () => {
      const [{ log: written, checkpointed: moved }] = lengthOfLog.all() as [
        { log: number; checkpointed: number },
      ]
      return { written, moved }
    },
    moveLog: () => void database.pragma('wal_checkpoint(PASSIVE)'),
    close: () => void database.close(),
  }
}

async function readRevision(transactions: Transactions): Promise<number> {
  const revision = await readHostRevision(transactions.begin('read'))
  transactions.commit()
  return revision
}

const pragmas = [
  'journal_mode = WAL',
  // In pages: where nobody keeps the log short.
  'wal_autocheckpoint = 64000',
  'synchronous = FULL',
  'foreign_keys = ON',
  'busy_timeout = 5000',
  // What a savepoint would take back is kept in memory: in a file, each call of a batch would write some.
  'temp_store = MEMORY',
  // In KiB where negative. The pages that every create writes to, and those that placement reads, stay in memory.
  'cache_size = -131072',
] as const

async function openDatabase({ path }: WorkerSettings): Promise<Database.Database> {
  if (path !== ':memory:') closeToOthers(path)
  const database = new Database(path)
  for (const pragma of pragmas) database.pragma(pragma)
  // Without kept statements: they would know the columns of before a migration.
  await migrateToLatest(new Kysely({ dialect: new SqliteDialect({ database }) }), columnTypes)
  return database
}

/** User data and keys of tenants are in there. SQLite gives the files beside it the rights of the database. */
function closeToOthers(path: string): void {
  closeSync(openSync(path, 'a', 0o600))
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    if (existsSync(file)) chmodSync(file, 0o600)
  }
}

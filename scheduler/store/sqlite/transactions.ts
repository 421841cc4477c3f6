// Transactions on the one connection that there is, one after the other. What hands out connections of a pool would take
// longer for each query than most of them take to run.
import type Database from 'better-sqlite3'
import {
  type CompiledQuery,
  type DatabaseConnection,
  DefaultQueryExecutor,
  type QueryResult,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver,
  SqliteQueryCompiler,
  Transaction,
} from 'kysely'
import type { Tables } from '../tables.ts'
import { withPreparedStatements } from './prepared-statements.ts'

export interface Transactions {
  /**
   * What may write has the database to itself from its beginning. One that began by reading could not go on to write where
   * another process has written meanwhile.
   */
  begin(mode: 'read' | 'write'): Transaction<Tables>
  commit(): void
  /** Also where SQLite has rolled back by itself, as on a full disk. */
  rollBack(): void
}

export function transactionsOn(bare: Database.Database): Transactions {
  const database = withPreparedStatements(bare)
  const connection: DatabaseConnection = {
    executeQuery: async <Row>({ sql, parameters }: CompiledQuery) => {
      const statement = database.prepare(sql)
      if (statement.reader) return { rows: statement.all(parameters) as Row[] }
      const { changes } = statement.run(parameters)
      return { rows: [], numAffectedRows: BigInt(changes) } satisfies QueryResult<Row>
    },
    streamQuery: () => {
      throw new Error('Nothing that the store is asked needs a stream.')
    },
  }
  const dialect = new SqliteDialect({ database })
  const adapter = new SqliteAdapter()
  const executor = new DefaultQueryExecutor(new SqliteQueryCompiler(), adapter, {
    provideConnection: (use) => use(connection),
  })
  const driver = new SqliteDriver({ database })
  const run = (sql: string) => void database.prepare(sql).run([])
  return {
    begin: (mode) => {
      run(mode === 'write' ? 'BEGIN IMMEDIATE' : 'BEGIN')
      return new Transaction<Tables>({ config: { dialect }, dialect, driver, executor })
    },
    commit: () => run('COMMIT'),
    rollBack: () => {
      if (bare.inTransaction) run('ROLLBACK')
    },
  }
}

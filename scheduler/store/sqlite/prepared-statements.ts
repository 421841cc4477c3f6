import type Database from 'better-sqlite3'
import type { SqliteDatabase, SqliteStatement } from 'kysely'

// Beyond what the procedures have; lists of values make a text for each length.
const limit = 500

/** Keeps statements that were prepared: preparing costs more than most of them take to run. */
export function withPreparedStatements(database: Database.Database): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>()
  return {
    prepare: (text) => {
      const known = statements.get(text)
      if (known) return known
      if (statements.size >= limit) statements.clear()
      const prepared: SqliteStatement = database.prepare(text)
      statements.set(text, prepared)
      return prepared
    },
    close: () => database.close(),
  }
}

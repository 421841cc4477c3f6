import type { RawBuilder } from 'kysely'

/** What the databases call differently. */
export interface ColumnTypes {
  readonly bytes: RawBuilder<unknown>
  /** At the end of a table whose rows are to lie in the order of their key; empty where they can't. */
  readonly keyed: RawBuilder<unknown>
}

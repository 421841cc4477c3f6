import type { RawBuilder } from 'kysely'

/** What the databases call differently. */
export interface ColumnTypes {
  readonly bytes: RawBuilder<unknown>
}

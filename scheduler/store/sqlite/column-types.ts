import { sql } from 'kysely'
import type { ColumnTypes } from '../migrations/column-types.ts'

export const columnTypes: ColumnTypes = { bytes: sql`blob`, keyed: sql`without rowid` }

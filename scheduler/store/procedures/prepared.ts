import type { Compilable, CompiledQuery } from 'kysely'
import type { Tables } from '../tables.ts'
import type { Tx } from './rows.ts'

/** Stands in a prepared query for what each run brings. */
class Parameter {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  /** A query that reckons with it would be prepared with the result, once and for all. */
  [Symbol.toPrimitive](): never {
    throw new Error(`The value ${this.name} of a prepared query is not known while it is built.`)
  }
}

export interface Prepared<Values extends object, Row> {
  first(tx: Tx, values: Values): Promise<Row | undefined>
  all(tx: Tx, values: Values): Promise<readonly Row[]>
  /** How many rows it has written. */
  run(tx: Tx, values: Values): Promise<number>
}

/**
 * A query that is built once for each database and run many times: building it takes several times as long as running it.
 * `build` sees stand-ins, so values are only passed on there.
 */
export function prepare<Values extends object, Row>(
  build: (tx: Tx, values: Values) => Compilable<Row>,
): Prepared<Values, Row> {
  const compiled = new WeakMap<object, CompiledQuery<Row>>()
  const standIns = new Proxy({}, { get: (_, name) => new Parameter(String(name)) }) as Values

  function execute(tx: Tx, values: Values) {
    const { adapter } = tx.getExecutor()
    let query = compiled.get(adapter)
    if (query === undefined) {
      query = build(tx, standIns).compile()
      compiled.set(adapter, query)
    }
    const parameters = query.parameters.map((value) =>
      value instanceof Parameter ? values[value.name as keyof Values] : value,
    )
    return tx.executeQuery<Row>({ ...query, parameters })
  }

  return {
    first: async (tx, values) => (await execute(tx, values)).rows[0],
    all: async (tx, values) => (await execute(tx, values)).rows,
    run: async (tx, values) => Number((await execute(tx, values)).numAffectedRows ?? 0),
  }
}

/** One row into a table, of which these columns are given. */
export const prepareInsert = <Table extends keyof Tables, Column extends keyof Tables[Table] & string>(
  table: Table,
  columns: readonly Column[],
): Prepared<Pick<Tables[Table], Column>, unknown> =>
  prepare((tx: Tx, row: Pick<Tables[Table], Column>) => {
    const values = Object.fromEntries(columns.map((column) => [column, row[column]]))
    // Kysely can't know a table that is named by a variable.
    return tx.insertInto(table).values(values as never)
  })

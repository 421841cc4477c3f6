import type { Compilable, CompiledQuery } from 'kysely'
import type { Tables } from '../tables.ts'
import type { Tx } from './rows.ts'

/** Stands in a prepared query for what each run brings. */
class Parameter<Values> {
  readonly name: string
  readonly readFrom: (values: Values) => unknown

  constructor(name: string, readFrom: (values: Values) => unknown) {
    this.name = name
    this.readFrom = readFrom
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
  const standIns = new Proxy({}, { get: (_, name) => standInFor<Values>(name) }) as Values
  return prepareWith((tx) => build(tx, standIns))
}

const standInFor = <Values>(name: string | symbol) =>
  new Parameter<Values>(String(name), (values) => values[name as keyof Values])

function prepareWith<Values extends object, Row>(build: (tx: Tx) => Compilable<Row>): Prepared<Values, Row> {
  const compiled = new WeakMap<object, CompiledQuery<Row>>()

  function execute(tx: Tx, values: Values) {
    const executor = tx.getExecutor()
    const { adapter } = executor
    let query = compiled.get(adapter)
    if (query === undefined) {
      query = build(tx).compile()
      compiled.set(adapter, query)
    }
    const parameters = query.parameters.map((value) =>
      value instanceof Parameter ? (value as Parameter<Values>).readFrom(values) : value,
    )
    const run = { ...query, parameters }
    return executor.provideConnection((connection) => connection.executeQuery<Row>(run))
  }

  return {
    first: async (tx, values) => (await execute(tx, values)).rows[0],
    all: async (tx, values) => (await execute(tx, values)).rows,
    run: async (tx, values) => Number((await execute(tx, values)).numAffectedRows ?? 0),
  }
}

export interface PreparedInsert<Row> {
  run(tx: Tx, ...rows: readonly Row[]): Promise<void>
}

/** Rows into a table, of which these columns are given: one statement, built once for each number of rows. */
export function prepareInsert<Table extends keyof Tables, Column extends keyof Tables[Table] & string>(
  table: Table,
  columns: readonly Column[],
): PreparedInsert<Pick<Tables[Table], Column>> {
  type Rows = readonly Pick<Tables[Table], Column>[]
  const standInsFor = (index: number) =>
    Object.fromEntries(
      columns.map((column) => [column, new Parameter<Rows>(column, (rows) => rows[index]?.[column])]),
    )
  const insertOf = prepareForEach((count) =>
    prepareWith<Rows, unknown>((tx) =>
      // Kysely can't know a table that is named by a variable.
      tx.insertInto(table).values(Array.from({ length: count }, (_, index) => standInsFor(index)) as never),
    ),
  )
  return {
    run: async (tx, ...rows) => {
      if (rows.length > 0) await insertOf(rows.length).run(tx, rows)
    },
  }
}

/** A query that says as many times as it has values what it does with each. */
export function prepareForEach<Values extends object, Row>(
  build: (count: number) => Prepared<Values, Row>,
): (count: number) => Prepared<Values, Row> {
  const built: Prepared<Values, Row>[] = []
  return (count) => (built[count] ??= build(count))
}

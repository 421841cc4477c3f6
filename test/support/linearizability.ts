// Whether a history of concurrent operations could have happened one after the other: the search of Wing and Gong, with
// what was seen before remembered (as Lowe and porcupine do).

export interface Operation<Input, Output> {
  readonly input: Input
  /** undefined: nobody knows; it may have happened at any time since, or never. */
  readonly output: Output | undefined
  readonly calledAt: number
  readonly returnedAt: number
}

export interface Model<State, Input, Output> {
  readonly initial: State
  /** Every state that the operation may lead to, if its output is possible in this one; none where it is not. */
  next(state: State, input: Input, output: Output | undefined): readonly State[]
  /** What may happen by itself, before any operation. */
  drift(state: State): readonly State[]
  key(state: State): string
  /** Changes nothing but what is known: where it is possible now, taking it now is never wrong. */
  isRead(input: Input): boolean
}

/** undefined where it is linearizable; else the longest order that was found, for whoever has to understand it. */
export function findAnomaly<State, Input, Output>(
  history: readonly Operation<Input, Output>[],
  model: Model<State, Input, Output>,
): readonly Operation<Input, Output>[] | undefined {
  const operations = history.toSorted((a, b) => a.calledAt - b.calledAt)
  const seen = new Set<string>()
  let longest: readonly number[] = []

  const search = (done: ReadonlySet<number>, order: readonly number[], state: State): boolean => {
    const open = operations.flatMap((operation, index) => (done.has(index) ? [] : [{ operation, index }]))
    if (open.every(({ operation }) => operation.output === undefined)) return true
    if (order.length > longest.length) longest = order
    const key = `${[...done].toSorted((a, b) => a - b).join(',')} ${model.key(state)}`
    if (seen.has(key)) return false
    seen.add(key)
    // Nothing can come before what had returned before it was called.
    const firstReturn = Math.min(...open.map(({ operation }) => operation.returnedAt))
    const candidates = open.filter(({ operation }) => operation.calledAt <= firstReturn)
    const readable = candidates.find(
      ({ operation: { input, output } }) =>
        output !== undefined && model.isRead(input) && model.next(state, input, output).length > 0,
    )
    if (readable) {
      const { input, output } = readable.operation
      const [after = state] = model.next(state, input, output)
      return search(new Set([...done, readable.index]), [...order, readable.index], after)
    }
    for (const { operation, index } of candidates) {
      for (const drifted of [state, ...model.drift(state)]) {
        for (const after of model.next(drifted, operation.input, operation.output)) {
          if (search(new Set([...done, index]), [...order, index], after)) return true
        }
      }
    }
    return false
  }

  if (search(new Set(), [], model.initial)) return undefined
  return longest.flatMap((index) => operations[index] ?? [])
}

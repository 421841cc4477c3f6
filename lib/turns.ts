/** Work on one key goes one after the other; work on different keys does not wait. */
export interface Turns {
  alone<Value>(key: string, work: () => Promise<Value>): Promise<Value>
  /** Callers that come while the same work waits or runs get its result instead of a run of their own. */
  shared(key: string, work: () => Promise<void>): Promise<void>
}

export function createTurns(): Turns {
  const last = new Map<string, Passing<Promise<unknown>>>()
  const underway = new Map<string, Passing<Promise<void>>>()

  const alone: Turns['alone'] = (key, work) => {
    const run = (last.get(key)?.peek() ?? Promise.resolve()).then(work, work)
    const turn = passing(run)
    last.set(key, turn)
    const forget = () => {
      void turn.take()
      if (last.get(key) === turn) last.delete(key)
    }
    run.then(forget, forget)
    return run
  }

  return {
    alone: (key, work) => {
      // What comes after this may change what the shared work has seen.
      underway.delete(key)
      return alone(key, work)
    },
    shared: (key, work) => {
      const known = underway.get(key)?.peek()
      if (known) return known
      const run = alone(key, work)
      const turn = passing(run)
      underway.set(key, turn)
      const forget = () => {
        void turn.take()
        if (underway.get(key) === turn) underway.delete(key)
      }
      run.then(forget, forget)
      return run
    },
  }
}

/**
 * What stays in a map for moments and leaves it for good. V8 copies a map's table now and then, and until the next full
 * collection a left table keeps what was in it and the tables after it: all that had ever passed through a busy map would
 * be carried to the old generation, in pauses of tens of milliseconds. What is taken out here is let go at once.
 */
export interface Passing<Value> {
  /** undefined where it has been taken. */
  peek(): Value | undefined
  take(): Value | undefined
}

export function passing<Value>(value: Value): Passing<Value> {
  let kept: Value | undefined = value
  return {
    peek: () => kept,
    take: () => {
      const taken = kept
      kept = undefined
      return taken
    },
  }
}

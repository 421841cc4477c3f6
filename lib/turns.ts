/** Work on one key goes one after the other; work on different keys does not wait. */
export interface Turns {
  alone<Value>(key: string, work: () => Promise<Value>): Promise<Value>
  /** Callers that come while the same work waits or runs get its result instead of a run of their own. */
  shared(key: string, work: () => Promise<void>): Promise<void>
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>()
  const underway = new Map<string, Promise<void>>()

  const alone: Turns['alone'] = (key, work) => {
    const run = (last.get(key) ?? Promise.resolve()).then(work, work)
    last.set(key, run)
    const forget = () => {
      if (last.get(key) === run) last.delete(key)
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
      const known = underway.get(key)
      if (known) return known
      const run = alone(key, work)
      underway.set(key, run)
      const forget = () => {
        if (underway.get(key) === run) underway.delete(key)
      }
      run.then(forget, forget)
      return run
    },
  }
}

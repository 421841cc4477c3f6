import { Worker } from 'node:worker_threads'
import { programBeside } from './program-beside.ts'

/** In pages. */
export interface LogLength {
  readonly written: number
  /** Of them, what is in the database as well. SQLite begins the log anew once that is all. */
  readonly moved: number
}

/** Most pages that a create writes are written again by the next ones: moved together, they are moved once. */
const worthMoving = 4000
const long = 16_000
/** Takes the store's thread no longer than a commit does. */
const few = 1000

/** Beside the store's thread goes nearly all of it; what is written meanwhile goes between two batches. */
export function nextMove({ written, moved }: LogLength): 'none' | 'beside' | 'now' {
  const left = written - moved
  if (left === 0) return 'none'
  if (written >= long) return left <= few || written >= 2 * long ? 'now' : 'beside'
  return left >= worthMoving ? 'beside' : 'none'
}

export interface LogKeeper {
  /** Between two batches. */
  look(): void
  close(): Promise<void>
}

/** Keeps the log of a database short. What can't be moved stays in the log, which is as durable: the next look tries again. */
export function keepLogShort(path: string, log: { readLogLength(): LogLength; moveLog(): void }): LogKeeper {
  let mover: Worker | undefined
  let isMoving = false

  function startMover(): Worker {
    const started = new Worker(programBeside('log-mover'), { workerData: { path } })
    started.on('message', () => {
      isMoving = false
    })
    started.on('error', () => {
      mover = undefined
      isMoving = false
    })
    return started
  }

  function moveHere(): void {
    try {
      log.moveLog()
    } catch {
      // Whoever commits next is told of a disk that is full.
    }
  }

  return {
    look: () => {
      if (isMoving) return
      switch (nextMove(log.readLogLength())) {
        case 'none':
          return
        case 'now':
          return moveHere()
        case 'beside':
          isMoving = true
          mover ??= startMover()
          mover.postMessage('move')
      }
    },
    close: async () => {
      if (mover === undefined) return
      const { promise, resolve } = Promise.withResolvers<void>()
      mover.once('exit', () => resolve())
      mover.postMessage('close')
      await promise
    },
  }
}

import { Worker } from 'node:worker_threads'
import type { Logger } from '../../../lib/log.ts'
import { type Passing, passing } from '../../../lib/turns.ts'
import type { StoredCapacity } from '../host-store.ts'
import { procedures, type StoreMethod } from '../procedures/catalogue.ts'
import { type Store, StoreUnavailable } from '../store.ts'
import { programBeside } from './program-beside.ts'
import type { WorkerCall, WorkerMessage, WorkerOutcome, WorkerSettings } from './protocol.ts'

export interface SqliteStoreOptions {
  /** A file, or ':memory:'. Its directory exists. */
  readonly path: string
  readonly log: Logger
  /** For tests: how much longer each flush takes, as on a slow disk. Default 0. */
  readonly flushDelayMs?: number
}

export interface SqliteStore extends Store {
  /** How many transactions have been committed for how many calls. */
  stats(): { readonly batches: number; readonly calls: number }
  /** Resolves if the store ends without having been closed: it answers nothing any more. */
  readonly failed: Promise<StoreUnavailable>
}

interface Caller {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** What a batch leaves is dead before the next: room for a few of them is enough, and stays in the processor's caches. */
const resourceLimits = { maxYoungGenerationSizeMb: 16 }

/** What callers do with the outcomes of a whole batch, one after the other, would hold the event loop up. */
const toldInTurn = 16

/**
 * SQLite in a thread of its own, so that an fsync never stops the event loop. Calls made at once share one flush.
 * @throws if the file can't be opened or is of a newer version.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const settings: WorkerSettings = { path: options.path, flushDelayMs: options.flushDelayMs ?? 0 }
  const worker = new Worker(programBeside('worker'), { workerData: settings, resourceLimits })
  const waiting = new Map<number, Passing<Caller>>()
  const counts = { batches: 0, calls: 0 }
  let lastId = 0
  const failed = Promise.withResolvers<StoreUnavailable>()
  const listeners = new Set<() => void>()
  const hostListeners = new Set<(hosts: readonly StoredCapacity[]) => void>()
  let ended: StoreUnavailable | undefined
  let isClosing = false

  const untold: WorkerOutcome[] = []
  const tell = (outcome: WorkerOutcome) => {
    const call = waiting.get(outcome.id)?.take()
    waiting.delete(outcome.id)
    if (outcome.ok) call?.resolve(outcome.value)
    else if (outcome.isUnavailable) call?.reject(new StoreUnavailable(outcome.message))
    else call?.reject(new Error(outcome.message))
  }
  const tellSome = () => {
    for (const outcome of untold.splice(0, toldInTurn)) tell(outcome)
    if (untold.length > 0) setImmediate(tellSome)
  }

  const end = (error: StoreUnavailable) => {
    for (const outcome of untold.splice(0)) tell(outcome)
    ended ??= error
    for (const call of waiting.values()) call.take()?.reject(ended)
    waiting.clear()
  }

  const opened = new Promise<void>((resolve, reject) => {
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'ready') return resolve()
      if (message.kind === 'failed') {
        return reject(new StoreUnavailable(`Store ${options.path} can't be opened: ${message.message}`))
      }
      counts.batches += 1
      const { changedHosts } = message
      if (changedHosts.length > 0) for (const listener of hostListeners) listener(changedHosts)
      if (message.hasWritten) for (const listener of listeners) listener()
      counts.calls += message.outcomes.length
      const isTelling = untold.length > 0
      untold.push(...message.outcomes)
      if (!isTelling) tellSome()
    })
    worker.on('error', (error) => {
      options.log.error({ err: error }, 'The store’s thread has failed.')
      const unavailable = new StoreUnavailable('The store has failed; start the scheduler again.', {
        cause: error,
      })
      reject(unavailable)
      end(unavailable)
      failed.resolve(unavailable)
    })
    worker.on('exit', () => {
      end(new StoreUnavailable('The store is closed.'))
      if (!isClosing && ended) failed.resolve(ended)
    })
  })
  try {
    await opened
  } catch (thrown) {
    await worker.terminate()
    throw thrown
  }

  const unsent: WorkerCall[] = []
  // What is called in one turn of the event loop goes together, and into one flush.
  const send = () => {
    const calls = unsent.splice(0)
    if (calls.length > 0) worker.postMessage(calls satisfies readonly WorkerCall[])
  }

  const call = (method: StoreMethod, args: readonly unknown[]) =>
    new Promise<unknown>((resolve, reject) => {
      if (ended) {
        reject(ended)
        return
      }
      lastId += 1
      waiting.set(lastId, passing({ resolve, reject }))
      unsent.push({ id: lastId, method, args })
      if (unsent.length === 1) setImmediate(send)
    })

  return {
    ...methodsOver(call),
    stats: () => ({ ...counts }),
    failed: failed.promise,
    onHostsChanged: (listener) => {
      hostListeners.add(listener)
      return () => hostListeners.delete(listener)
    },
    onWrite: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: () =>
      new Promise<void>((resolve) => {
        isClosing = true
        if (ended) return resolve()
        worker.once('exit', () => resolve())
        send()
        worker.postMessage('close')
      }),
  }
}

/** Every method of the port as a call by its name. */
export function methodsOver(
  call: (method: StoreMethod, args: readonly unknown[]) => Promise<unknown>,
): Pick<Store, StoreMethod> {
  const names = Object.keys(procedures) as StoreMethod[]
  const methods = names.map((method) => [method, (...args: readonly unknown[]) => call(method, args)])
  return Object.fromEntries(methods)
}

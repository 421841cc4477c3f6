import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StoredCapacity } from '../../../scheduler/store/host-store.ts'
import { writes } from '../../../scheduler/store/procedures/catalogue.ts'
import { openEngine } from '../../../scheduler/store/sqlite/engine.ts'
import type { WorkerCall } from '../../../scheduler/store/sqlite/protocol.ts'
import { methodsOver } from '../../../scheduler/store/sqlite/sqlite-store.ts'
import { type Store, StoreUnavailable } from '../../../scheduler/store/store.ts'

/** A new database takes longer to come through all migrations than most tests do for the rest; every file has the same. */
let migrated: Promise<Buffer> | undefined

async function migrate(): Promise<Buffer> {
  const folder = makeFolder()
  const path = join(folder, 'migrated.sqlite')
  const engine = await openEngine({ path, flushDelayMs: 0 })
  engine.close()
  const bytes = readFileSync(path)
  rmSync(folder, { recursive: true })
  return bytes
}

/** In memory, where there is such a folder: these databases outlive nothing. */
const makeFolder = () => mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'berth-store-'))

/**
 * The store without its thread, which takes most of a second of processor to start. Calls made at once share a batch, as
 * there. A path is of a file that is to outlive it.
 */
export async function openInProcessStore(path?: string): Promise<Store> {
  migrated ??= migrate()
  const folder = path === undefined ? makeFolder() : undefined
  const file = path ?? join(folder ?? '', 'store.sqlite')
  if (!existsSync(file)) writeFileSync(file, await migrated)
  const engine = await openEngine({ path: file, flushDelayMs: 0 })
  const waiting = new Map<WorkerCall, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let turn: Promise<void> = Promise.resolve()
  let lastId = 0
  let isClosed = false
  const listeners = new Set<() => void>()
  const hostListeners = new Set<(hosts: readonly StoredCapacity[]) => void>()

  const drain = async () => {
    const batch = [...waiting]
    waiting.clear()
    if (batch.length === 0) return
    const { outcomes, changedHosts } = await engine.run(batch.map(([call]) => call))
    if (changedHosts.length > 0) for (const listener of hostListeners) listener(structuredClone(changedHosts))
    if (batch.some(([{ method }]) => writes.has(method))) for (const listener of listeners) listener()
    for (const [index, outcome] of outcomes.entries()) {
      const caller = batch[index]?.[1]
      // What crosses a thread is copied.
      if (outcome.ok) caller?.resolve(structuredClone(outcome.value))
      else caller?.reject(new Error(outcome.message))
    }
  }
  return {
    ...methodsOver((method, args) => {
      if (isClosed) return Promise.reject(new StoreUnavailable('The store is closed.'))
      lastId += 1
      const call: WorkerCall = { id: lastId, method, args: structuredClone(args) }
      return new Promise((resolve, reject) => {
        waiting.set(call, { resolve, reject })
        turn = turn.then(() => new Promise(setImmediate)).then(drain)
      })
    }),
    onHostsChanged: (listener) => {
      hostListeners.add(listener)
      return () => hostListeners.delete(listener)
    },
    onWrite: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: async () => {
      isClosed = true
      await turn
      engine.close()
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}

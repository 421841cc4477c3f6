import type { StoredCapacity } from '../../../scheduler/store/host-store.ts'
import { writes } from '../../../scheduler/store/procedures/catalogue.ts'
import { openEngine } from '../../../scheduler/store/sqlite/engine.ts'
import type { WorkerCall } from '../../../scheduler/store/sqlite/protocol.ts'
import { methodsOver } from '../../../scheduler/store/sqlite/sqlite-store.ts'
import { type Store, StoreUnavailable } from '../../../scheduler/store/store.ts'

/** The store without its thread, in memory: opened in milliseconds. Calls made at once share a batch, as there. */
export async function openInProcessStore(): Promise<Store> {
  const engine = await openEngine({ path: ':memory:', flushDelayMs: 0 })
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
    },
  }
}

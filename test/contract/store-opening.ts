import { afterEach, beforeEach } from 'vitest'
import type { RegisterHost } from '../../scheduler/store/host-store.ts'
import type { Store } from '../../scheduler/store/store.ts'
import { hostOf, makeZones } from './store-values.ts'

export type OpenStore = () => Promise<Store>

/** A fresh store with one registered host for each test of the enclosing block. */
export function storeWithHost(open: OpenStore, changes: Partial<RegisterHost> = {}): () => Store {
  let store: Store | undefined
  beforeEach(async () => {
    store = await open()
    await makeZones(store)
    await store.registerHost(hostOf(changes))
  })
  afterEach(async () => {
    await store?.close()
    store = undefined
  })
  return () => {
    if (!store) throw new Error('The store is open only inside a test.')
    return store
  }
}

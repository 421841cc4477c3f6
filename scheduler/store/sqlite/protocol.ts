// What the port and the worker say to each other.

import type { StoredCapacity } from '../host-store.ts'
import type { StoreMethod } from '../procedures/catalogue.ts'

export interface WorkerSettings {
  readonly path: string
  /** For tests: how much longer each flush takes, as on a slow disk. */
  readonly flushDelayMs: number
}

export interface WorkerCall {
  readonly id: number
  readonly method: StoreMethod
  readonly args: readonly unknown[]
}

export type WorkerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly message: string }
  /** One transaction is on disk; these are its outcomes. */
  | ({ readonly kind: 'batch'; readonly hasWritten: boolean } & BatchOutcome)

export interface BatchOutcome {
  /** In the order of the calls. */
  readonly outcomes: readonly WorkerOutcome[]
  /** As it leaves those that it has changed, or that another process has since the last time. */
  readonly changedHosts: readonly StoredCapacity[]
}

export type WorkerOutcome =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | {
      readonly id: number
      readonly ok: false
      /** Nothing is wrong with the call: it can be made again. */
      readonly isUnavailable: boolean
      readonly message: string
    }

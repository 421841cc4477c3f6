// One piece of work for everyone who waits for the same thing. It is aborted only once nobody waits any more, and
// the next to ask starts only after the aborted one has cleaned up.
import type { DownloadProgress } from '../../host/ports.ts'
import type { FetchOptions } from './port.ts'

export type Work<Result> = (
  signal: AbortSignal,
  onProgress: (at: DownloadProgress) => void,
) => Promise<Result>

interface Running<Result> {
  readonly result: Promise<Result>
  readonly abort: AbortController
  readonly waiting: Set<FetchOptions>
  lastProgress: DownloadProgress | undefined
}

export class SharedWork<Result> {
  readonly #running = new Map<string, Running<Result>>()

  /** Settles with the work, or rejects with the signal's reason as soon as this one caller gives up. */
  async join(key: string, waiter: FetchOptions, work: Work<Result>): Promise<Result> {
    waiter.signal?.throwIfAborted()
    let running = this.#running.get(key)
    while (running?.abort.signal.aborted) {
      await running.result.catch(() => {})
      waiter.signal?.throwIfAborted()
      running = this.#running.get(key)
    }
    running ??= this.#start(key, work)
    return this.#wait(running, waiter)
  }

  #start(key: string, work: Work<Result>): Running<Result> {
    const abort = new AbortController()
    const waiting = new Set<FetchOptions>()
    const onProgress = (at: DownloadProgress) => {
      running.lastProgress = at
      for (const each of waiting) each.onProgress?.(at)
    }
    const result = Promise.resolve()
      .then(() => work(abort.signal, onProgress))
      .finally(() => this.#running.delete(key))
    // Whoever waits handles the failure; where nobody does any more, it is nobody's.
    result.catch(() => {})
    const running: Running<Result> = { result, abort, waiting, lastProgress: undefined }
    this.#running.set(key, running)
    return running
  }

  async #wait(running: Running<Result>, options: FetchOptions): Promise<Result> {
    // A set member of its own, even where two callers pass the same options.
    const waiter = { ...options }
    running.waiting.add(waiter)
    if (running.lastProgress) waiter.onProgress?.(running.lastProgress)
    const { promise: givenUp, reject } = Promise.withResolvers<never>()
    const onAbort = () => {
      running.waiting.delete(waiter)
      if (running.waiting.size === 0) running.abort.abort(waiter.signal?.reason)
      reject(waiter.signal?.reason as Error)
    }
    waiter.signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([running.result, givenUp])
    } finally {
      waiter.signal?.removeEventListener('abort', onAbort)
      running.waiting.delete(waiter)
    }
  }
}

// One guest's console, shared by all who look at it through this scheduler. In: what its host sends, what viewers type.
// Out: to each viewer the last of what the guest has written, then what comes. A host whose contact breaks off is asked
// again from where it stopped. It never waits for a viewer: each has its own bounds.
import { backoffMs } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { InstanceRecord } from '../model/instance.ts'
import type { ConsoleChannel, ConsoleChannelEnd, HostQueries, Unavailable } from './ports.ts'

/** What a viewer sees first. */
export const historyBytes = 64 * 1024
const reopenMinMs = 200
const reopenMaxMs = 3000
/** An agent that is started again is back long before. */
const reopenForMs = 120_000

export type ConsoleEnd = { readonly kind: 'ended' | 'lost'; readonly message: string }

export interface ConsoleViewer {
  /** With the offset of the first byte. Never waits: a viewer that is too slow sees to that itself. */
  show(bytes: Uint8Array, start: bigint): void
  /** A sentence that is not of the guest. */
  note(sentence: string): void
  end(end: ConsoleEnd): void
}

export interface SharedConsoleOptions {
  readonly instance: Pick<InstanceRecord, 'uid' | 'hostId'>
  readonly queries: Pick<HostQueries, 'openConsole'>
  readonly clock: Clock
  readonly random: Random
  /** Nobody looks any more, or there is nothing to look at. */
  readonly onOver: () => void
}

export class SharedConsole {
  readonly #options: SharedConsoleOptions
  readonly #viewers = new Set<ConsoleViewer>()
  /** The last of what has come, in one piece up to `#next`: what viewers see first, and as much again at most. */
  #history: Uint8Array[] = []
  #historyBytes = 0
  #next: bigint | undefined
  #channel: ConsoleChannel | undefined
  #endedWith: ConsoleEnd | undefined
  readonly #over = new AbortController()

  constructor(options: SharedConsoleOptions) {
    this.#options = options
  }

  get viewers(): number {
    return this.#viewers.size
  }

  /** @returns why it can't be opened, where it can't. */
  async open(): Promise<Unavailable | undefined> {
    const { queries, instance } = this.#options
    const { uid: instanceUid, hostId } = instance
    const start = this.#next ?? BigInt(-historyBytes)
    const opened = await queries.openConsole(
      { hostId, instanceUid, start },
      { onOutput: (first, bytes) => this.#take(first, bytes), onEnd: (end) => this.#channelEnded(end) },
    )
    if (opened.kind === 'unavailable') return opened
    if (this.#over.signal.aborted) opened.close()
    else this.#channel = opened
    return undefined
  }

  add(viewer: ConsoleViewer): void {
    const last = this.#lastBytes()
    if (last.length > 0) viewer.show(last, (this.#next ?? 0n) - BigInt(last.length))
    if (this.#endedWith === undefined) this.#viewers.add(viewer)
    else viewer.end(this.#endedWith)
  }

  remove(viewer: ConsoleViewer): void {
    if (this.#viewers.delete(viewer) && this.#viewers.size === 0) this.close()
  }

  /** Resolves once the guest takes more. What is typed while there is no contact is lost. */
  async type(bytes: Uint8Array): Promise<void> {
    await this.#channel?.write(bytes)
  }

  close(): void {
    if (this.#over.signal.aborted) return
    this.#over.abort()
    this.#channel?.close()
    this.#options.onOver()
  }

  #take(start: bigint, bytes: Uint8Array): void {
    if (this.#next !== undefined && start > this.#next) {
      this.#note(`${start - this.#next} bytes of the guest's output were left out: they came too fast.`)
      this.#history = []
      this.#historyBytes = 0
    }
    this.#next = start + BigInt(bytes.length)
    this.#remember(bytes)
    for (const viewer of [...this.#viewers]) viewer.show(bytes, start)
  }

  #remember(bytes: Uint8Array): void {
    this.#history.push(bytes)
    this.#historyBytes += bytes.length
    // A guest that echoes keys writes byte for byte.
    if (this.#history.length <= 100 && this.#historyBytes <= 2 * historyBytes) return
    const last = this.#lastBytes()
    this.#history = [last]
    this.#historyBytes = last.length
  }

  #lastBytes(): Uint8Array {
    return Buffer.concat(this.#history).subarray(-historyBytes)
  }

  #channelEnded(end: ConsoleChannelEnd): void {
    this.#channel = undefined
    if (this.#over.signal.aborted) return
    if (end.kind === 'ended') this.#end({ kind: 'ended', message: end.message })
    else void this.#reopen()
  }

  async #reopen(): Promise<void> {
    const { clock, random } = this.#options
    const { signal } = this.#over
    this.#note('Contact with the host is interrupted; the console goes on by itself.')
    const untilMs = clock.monotonicMs() + reopenForMs
    for (let attempt = 0; ; attempt += 1) {
      const waitMs = backoffMs({ attempt, minMs: reopenMinMs, maxMs: reopenMaxMs, random })
      await clock.sleep(waitMs, signal).catch(() => {})
      if (signal.aborted) return
      const refused = await this.open()
      if (refused === undefined) {
        this.#note('The console goes on.')
        return
      }
      if (refused.reason === 'NOT_RUNNING') {
        this.#end({ kind: 'ended', message: 'The guest has stopped.' })
        return
      }
      if (clock.monotonicMs() > untilMs) {
        this.#end({ kind: 'lost', message: 'Contact with the host is interrupted. Try again later.' })
        return
      }
    }
  }

  #note(sentence: string): void {
    for (const viewer of [...this.#viewers]) viewer.note(sentence)
  }

  #end(end: ConsoleEnd): void {
    const viewers = [...this.#viewers]
    this.#endedWith = end
    this.#viewers.clear()
    this.close()
    for (const viewer of viewers) viewer.end(end)
  }
}

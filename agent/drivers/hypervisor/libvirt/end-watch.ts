// Tells of guests that end. In: guests. Out: each end, once. libvirt's events make it quick, and the processes themselves make
// it sure: a libvirt that is gone, or is started again, says nothing of its guests.
import type { Clock } from '../../../../lib/clock.ts'
import type { Logger } from '../../../../lib/log.ts'
import type { Exec, Processes } from '../../../host/ports.ts'
import type { GuestEnd, GuestHandle } from '../port.ts'
import { virshArgs } from './virsh.ts'

const againMs = 5000
const lookMs = 1000

interface Watcher {
  readonly guest: GuestHandle
  readonly onEnd: (end: GuestEnd) => void
  isLooking: boolean
}

export class EndWatch {
  readonly #options: EndWatchOptions
  readonly #watchers = new Set<Watcher>()
  #stopFollowing: (() => void) | undefined
  #stopLooking: (() => void) | undefined

  constructor(options: EndWatchOptions) {
    this.#options = options
  }

  watch(guest: GuestHandle, onEnd: (end: GuestEnd) => void): () => void {
    const watcher = { guest, onEnd, isLooking: false }
    this.#watchers.add(watcher)
    this.#stopLooking ??= this.#options.clock.every(lookMs, () => this.#look())
    if (!this.#stopFollowing) this.#follow()
    void this.#lookAt(watcher)
    return () => this.#forget(watcher)
  }

  /** An end that was asked for here is no news. */
  forget(instanceUid: string): void {
    for (const watcher of this.#watchers) {
      if (watcher.guest.instanceUid === instanceUid) this.#forget(watcher)
    }
  }

  #forget(watcher: Watcher): void {
    this.#watchers.delete(watcher)
    if (this.#watchers.size > 0) return
    this.#stopFollowing?.()
    this.#stopLooking?.()
    this.#stopFollowing = undefined
    this.#stopLooking = undefined
  }

  /** What an event says is not read: that there is one is reason to look. */
  #follow(): void {
    const { exec, clock, log } = this.#options
    this.#stopFollowing = exec.follow('virsh', virshArgs('event', '--event', 'lifecycle', '--loop'), {
      onOutput: () => this.#look(),
      onEnd: (how) => {
        log.warn({ how }, "libvirt's events are not heard: guests' processes are looked at instead.")
        this.#stopFollowing = clock.after(againMs, () => this.#follow())
      },
    })
  }

  #look(): void {
    for (const watcher of this.#watchers) void this.#lookAt(watcher)
  }

  async #lookAt(watcher: Watcher): Promise<void> {
    if (watcher.isLooking) return
    watcher.isLooking = true
    const { processes, readEnd, log } = this.#options
    const { guest } = watcher
    try {
      if (await processes.isAlive(guest.process)) return
      const end = await readEnd(guest)
      if (!this.#watchers.has(watcher)) return
      this.#forget(watcher)
      watcher.onEnd(end)
    } catch (err) {
      log.warn({ err, instanceUid: guest.instanceUid }, 'A guest could not be looked at.')
    } finally {
      watcher.isLooking = false
    }
  }
}

export interface EndWatchOptions {
  readonly exec: Exec
  readonly processes: Processes
  readonly clock: Clock
  readonly log: Logger
  /** Of a guest whose process is gone. */
  readonly readEnd: (guest: GuestHandle) => Promise<GuestEnd>
}

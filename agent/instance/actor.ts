import { doublingMs } from '../../lib/backoff.ts'
import { describeCauses } from '../../lib/log.ts'
import {
  type InstanceObservation,
  InstancePhase,
  type Progress,
} from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { InstanceRecord } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { GuestEnd, GuestHandle } from '../drivers/hypervisor/port.ts'
import { applyChanges } from './apply.ts'
import { afterCrash, repairGuest } from './crash.ts'
import { findGuest } from './guest.ts'
import type { InstancePorts } from './ports.ts'
import { observationOf } from './record.ts'
import { stage } from './stage.ts'
import { removeInstance, restartGuest, stopGuest, unwind } from './stop.ts'
import { discardMemory, suspendGuest } from './suspend.ts'
import { tidy } from './tidy.ts'
import { type Action, nextAction } from './transition.ts'

export interface ActorOptions {
  readonly ports: InstancePorts
  readonly record: InstanceRecord
  readonly onObservation: (observation: InstanceObservation) => void
  readonly allocateUid: () => number
}

const retries = { minMs: 1000, maxMs: 60_000 }
const progressIntervalMs = 1000

/**
 * One instance on this host: converges on what its record desires, one action at a time, and journals before it tells.
 * A new command while something is under way aborts that, and the loop looks again.
 */
export class InstanceActor {
  readonly #options: ActorOptions
  #record: InstanceRecord
  #observation: InstanceObservation
  #running: Promise<void> | undefined
  #abort = new AbortController()
  #stopWatching: () => void = () => {}
  #cancelRetry: () => void = () => {}
  #failedAttempts = 0
  #lastProgress: { stepNumber: number; atMs: number } | undefined
  #isClosed = false
  /** Writes of the record go one after the other. */
  #writes: Promise<void> = Promise.resolve()

  constructor(options: ActorOptions) {
    this.#options = options
    this.#record = options.record
    this.#observation = observationOf(options.record, { nowMs: options.ports.clock.nowMs() })
  }

  get record(): InstanceRecord {
    return this.#record
  }

  get observation(): InstanceObservation {
    return this.#observation
  }

  /** Durable when it resolves; what it leads to follows. */
  async accept(next: (before: InstanceRecord) => InstanceRecord): Promise<void> {
    await this.#change(next)
    this.#abort.abort()
    this.#abort = new AbortController()
    this.#failedAttempts = 0
    this.wake()
  }

  /** Looks at what is desired, unless it is at it already. */
  wake(): void {
    if (this.#running || this.#isClosed) return
    this.#cancelRetry()
    this.#running = this.#converge().finally(() => {
      this.#running = undefined
      if (this.#nextAction() !== 'rest' && this.#failedAttempts === 0) this.wake()
    })
  }

  /** While nothing else is done to a guest that runs; otherwise not at all. What fails is tried with the next look. */
  async repair(work: () => Promise<void>): Promise<void> {
    if (this.#running || this.#isClosed || this.#record.phase !== InstancePhase.RUNNING) return
    const { log } = this.#options.ports
    this.#running = work()
      .catch((err: unknown) => log.error({ err, instanceUid: this.#record.uid }, 'A repair failed.'))
      .finally(() => {
        this.#running = undefined
        if (this.#nextAction() !== 'rest') this.wake()
      })
    await this.#running
  }

  /** For people, with the state that it has. */
  note(message: string): Promise<void> {
    return this.#change({ message })
  }

  /** A guest that runs is watched; one that has ended is tidied up after. */
  async watchGuest(): Promise<void> {
    const guest = await findGuest(this.#options.ports, this.#record)
    if (guest && this.#record.phase === InstancePhase.RUNNING) this.#watch(guest)
  }

  /** The guest has ended by itself. */
  async guestEnded(end: GuestEnd): Promise<void> {
    if (this.#record.phase !== InstancePhase.RUNNING || this.#isClosed) return
    const { ports } = this.#options
    ports.log.info({ instanceUid: this.#record.uid, end: end.kind }, 'The guest has ended by itself.')
    await this.#change(
      end.kind === 'powered-off'
        ? {
            phase: InstancePhase.STOPPED,
            reason: 'GUEST_POWERED_OFF',
            message: 'The guest powered itself off. Start it again when it is wanted.',
          }
        : afterCrash(this.#record, { why: end.message, nowMs: ports.clock.nowMs() }),
    )
    this.wake()
  }

  /** Lets go: guests go on. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#abort.abort()
    this.#stopWatching()
    this.#cancelRetry()
    await this.#running
  }

  async #converge(): Promise<void> {
    for (;;) {
      const action = this.#nextAction()
      if (action === 'rest' || this.#isClosed) return
      const { signal } = this.#abort
      if (!(await this.#attempt(() => this.#perform(action, signal)))) return
    }
  }

  async #perform(action: Exclude<Action, 'rest'>, signal: AbortSignal): Promise<void> {
    const context = { ...this.#context(), signal }
    switch (action) {
      case 'stage':
        await stage({ ...context, progress: this.#progress, allocateUid: this.#options.allocateUid })
        await this.watchGuest()
        return
      case 'apply':
        return applyChanges(context)
      case 'restart':
        this.#stopWatching()
        return restartGuest(context)
      case 'repair':
        this.#stopWatching()
        return repairGuest(context)
      case 'stop':
        this.#stopWatching()
        return stopGuest(context)
      case 'suspend':
        this.#stopWatching()
        await suspendGuest({ ...context, progress: this.#progress })
        await this.watchGuest()
        return
      case 'discard':
        return discardMemory(context)
      case 'unwind':
        return unwind(context)
      case 'remove':
        this.#stopWatching()
        return removeInstance(context)
      case 'tidy':
        this.#stopWatching()
        return tidy(context)
    }
  }

  /** true if it went well. What failed is told and tried again later: nothing is forgotten. */
  async #attempt(work: () => Promise<void>): Promise<boolean> {
    const { ports } = this.#options
    try {
      await work()
      this.#failedAttempts = 0
      return true
    } catch (thrown) {
      this.#failedAttempts += 1
      const retryMs = doublingMs({ ...retries, attempt: this.#failedAttempts - 1 })
      const { uid } = this.#record
      ports.log.error(
        { err: thrown, instanceUid: uid, retryMs },
        'An action on an instance failed; it is tried again.',
      )
      if (!this.#isClosed) {
        this.#tell(
          observationOf(this.#record, { nowMs: ports.clock.nowMs() }),
          `${describeCauses(thrown)} It is tried again.`,
        )
        this.#cancelRetry = ports.clock.after(retryMs, () => this.wake())
      }
      return false
    }
  }

  #nextAction(): Action {
    return nextAction(this.#record)
  }

  #watch(guest: GuestHandle): void {
    this.#stopWatching()
    this.#stopWatching = this.#options.ports.hypervisor.watch(guest, (end) => {
      void this.guestEnded(end)
    })
  }

  #context() {
    return {
      ports: this.#options.ports,
      record: () => this.#record,
      change: (change: Partial<InstanceRecord>) => this.#change(change),
    }
  }

  /** Journalled, then told. */
  #change(change: Partial<InstanceRecord> | ((before: InstanceRecord) => InstanceRecord)): Promise<void> {
    const write = this.#writes.then(async () => {
      const next = typeof change === 'function' ? change(this.#record) : { ...this.#record, ...change }
      await this.#options.ports.journal.writeInstance(next)
      const before = this.#record
      this.#record = next
      const observation = observationOf(next, { nowMs: this.#options.ports.clock.nowMs() })
      const isNews =
        next.phase !== before.phase ||
        next.message !== before.message ||
        next.released !== before.released ||
        next.generation !== before.generation ||
        observation.settled !== this.#observation.settled
      if (isNews) this.#tell(observation)
    })
    this.#writes = write.catch(() => {})
    return write
  }

  readonly #progress = (message: string, progress: Omit<Progress, '$typeName' | '$unknown'>): void => {
    const { clock } = this.#options.ports
    // Enough for a person to see it move; each one is stored.
    const isSameStep = progress.stepNumber === this.#lastProgress?.stepNumber
    const nowMs = clock.monotonicMs()
    if (isSameStep && nowMs - (this.#lastProgress?.atMs ?? 0) < progressIntervalMs) return
    this.#lastProgress = { stepNumber: progress.stepNumber, atMs: nowMs }
    const value: Progress = { $typeName: 'berth.agent.v1.Progress', ...progress }
    this.#tell(observationOf(this.#record, { nowMs: clock.nowMs(), progress: value }), message)
  }

  #tell(observation: InstanceObservation, message?: string): void {
    this.#observation = message === undefined ? observation : { ...observation, message }
    this.#options.onObservation(this.#observation)
  }
}

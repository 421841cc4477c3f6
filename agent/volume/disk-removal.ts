// Removes disks that outlive instances, once nobody wants them. In: commands, journalled before they are acknowledged.
// Out: the proof that nothing is left, told until the scheduler has it. It makes no disk: the first instance that uses
// one does, and it never removes one that an instance has.
import { create } from '@bufbuild/protobuf'
import type { Clock } from '../../lib/clock.ts'
import { describeCauses, type Logger } from '../../lib/log.ts'
import {
  type DiskObservation,
  DiskObservationSchema,
  DiskPhase,
} from '../../proto/gen/berth/agent/v1/disk_pb.ts'
import { DesiredState } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type Command, CommandOutcome } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import { type DiskRecord, DiskRecordSchema } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { Files } from '../host/ports.ts'
import { type Journal, recordVersion } from '../journal/journal.ts'
import { type AgentDirectories, volumePaths } from '../plan/paths.ts'

export interface DiskRemovalOptions {
  readonly ports: {
    readonly files: Files
    readonly journal: Journal
    readonly clock: Clock
    readonly log: Logger
    readonly directories: AgentDirectories
  }
  readonly onObservation: (observation: DiskObservation) => void
}

const retryMs = 10_000
const words = {
  removing: { reason: 'REMOVING', message: 'The host removes it.' },
  removed: { reason: 'REMOVED', message: 'Nothing of it is left on the host.' },
} as const

export class DiskRemoval {
  readonly #options: DiskRemovalOptions
  readonly #records = new Map<string, DiskRecord>()
  readonly #retries = new Map<string, () => void>()

  constructor(options: DiskRemovalOptions) {
    this.#options = options
  }

  /** What an earlier agent has begun goes on. */
  async recover(): Promise<void> {
    for (const record of await this.#options.ports.journal.listDisks()) {
      this.#records.set(record.uid, record)
      if (record.phase !== DiskPhase.ABSENT) void this.#remove(record.uid)
    }
  }

  async accept({ body, uid, generation, epoch, requestId }: Command) {
    if (body.case !== 'ensureDisk' || body.value.desiredState !== DesiredState.ABSENT) {
      return { outcome: CommandOutcome.UNSUPPORTED, message: 'this agent only removes disks by themselves' }
    }
    const known = this.#records.get(uid)
    if (known && generation <= known.generation) {
      return { outcome: CommandOutcome.STALE, message: `it is at generation ${known.generation}` }
    }
    await this.#write(
      create(DiskRecordSchema, {
        ...{ recordVersion, uid, generation, epoch, requestId, phase: DiskPhase.REMOVING },
      }),
    )
    void this.#remove(uid)
    return { outcome: CommandOutcome.ACCEPTED, message: '' }
  }

  observations(): readonly DiskObservation[] {
    return [...this.#records.values()].map((record) => this.#observationOf(record))
  }

  /** The scheduler has it durably: a tombstone may go. */
  reported({ uid, generation, phase }: DiskObservation): void {
    const record = this.#records.get(uid)
    if (phase !== DiskPhase.ABSENT || record?.generation !== generation) return
    this.#records.delete(uid)
    this.#options.ports.journal.removeDisk(uid).catch((thrown: unknown) => {
      // Told again at the next start, and removed then.
      this.#options.ports.log.warn({ err: thrown, diskUid: uid }, 'A tombstone could not be removed.')
    })
  }

  close(): void {
    for (const cancel of this.#retries.values()) cancel()
  }

  async #remove(uid: string): Promise<void> {
    const { files, clock, log, directories } = this.#options.ports
    const record = this.#records.get(uid)
    if (!record) return
    try {
      const { data } = volumePaths(directories, uid)
      // What a killed agent was about to make goes too.
      await files.remove(`${data}.new`)
      await files.remove(data)
      await this.#write(create(DiskRecordSchema, { ...record, phase: DiskPhase.ABSENT }))
    } catch (thrown) {
      log.error({ err: thrown, diskUid: uid, retryMs }, 'A disk could not be removed; it is tried again.')
      const message = `The host could not remove it: ${describeCauses(thrown)}. It is tried again.`
      this.#options.onObservation(this.#observationOf(record, { reason: 'HOST_ERROR', message }))
      this.#retries.set(
        uid,
        clock.after(retryMs, () => void this.#remove(uid)),
      )
    }
  }

  /** Journalled, then told. */
  async #write(record: DiskRecord): Promise<void> {
    await this.#options.ports.journal.writeDisk(record)
    this.#records.set(record.uid, record)
    this.#options.onObservation(this.#observationOf(record))
  }

  #observationOf(
    { uid, generation, epoch, phase, requestId }: DiskRecord,
    said: { reason: string; message: string } = phase === DiskPhase.ABSENT ? words.removed : words.removing,
  ): DiskObservation {
    const observedAtUnixMs = BigInt(this.#options.ports.clock.nowMs())
    return create(DiskObservationSchema, {
      uid,
      generation,
      epoch,
      phase,
      requestId,
      observedAtUnixMs,
      ...said,
    })
  }
}

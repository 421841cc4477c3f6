import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import { createTurns } from '../../lib/turns.ts'
import { type DeviceObservation, DeviceState } from '../../proto/gen/berth/agent/v1/device_pb.ts'
import type { DeviceRecord } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { Journal } from '../journal/journal.ts'
import { inState, newDeviceRecord, observationOf } from './device-record.ts'

/** What keeps a free device from guests for now. */
export interface DeviceTrouble {
  readonly reason: string
  readonly message: string
}

/** What is noted of each device: journalled, then told, one change of a device after the other, whoever is about it. */
export class DeviceBook {
  readonly #options: { readonly journal: Journal; readonly clock: Clock; readonly log: Logger }
  readonly #records = new Map<string, DeviceRecord>()
  readonly #absent = new Set<string>()
  /** Of which nothing may be noted yet. */
  #joined: readonly string[] = []
  #troubles: ReadonlyMap<string, DeviceTrouble> = new Map()
  readonly #writes = createTurns()
  readonly #listeners = new Set<(observation: DeviceObservation) => void>()

  constructor(options: { readonly journal: Journal; readonly clock: Clock; readonly log: Logger }) {
    this.#options = options
  }

  /** What an earlier agent has noted. */
  async load(): Promise<readonly DeviceRecord[]> {
    const records = await this.#options.journal.listDevices()
    for (const record of records) this.#records.set(record.address, record)
    return records
  }

  has(address: string): boolean {
    return this.#records.has(address)
  }

  /** A device that nothing was noted of is free. */
  recordOf(address: string): DeviceRecord {
    return this.#records.get(address) ?? newDeviceRecord(address, this.#options.clock.nowMs())
  }

  records(): readonly DeviceRecord[] {
    return [...this.#records.values()]
  }

  enter(address: string, state: DeviceState, change: Partial<DeviceRecord> = {}): Promise<void> {
    const nowMs = this.#options.clock.nowMs()
    return this.change(address, (before) => inState(before, state, { ...change, nowMs }))
  }

  change(address: string, next: (before: DeviceRecord) => DeviceRecord): Promise<void> {
    return this.#writes.alone(address, async () => {
      const { journal, log } = this.#options
      const record = next(this.recordOf(address))
      await journal.writeDevice(record)
      this.#records.set(address, record)
      const { state, reason, message, instanceUid } = record
      if (state === DeviceState.QUARANTINED) {
        log.error({ address, reason, message, instanceUid }, 'A device is quarantined.')
      }
      this.#tell(record)
    })
  }

  /** Seen on the bus, or not. */
  setPresent(address: string, isPresent: boolean): void {
    if (isPresent === !this.#absent.has(address)) return
    const { log } = this.#options
    const record = this.recordOf(address)
    const { instanceUid } = record
    if (isPresent) {
      this.#absent.delete(address)
      log.info({ address, instanceUid }, 'A device is on the bus again.')
    } else {
      this.#absent.add(address)
      log.error({ address, instanceUid }, 'A device has vanished from the bus.')
    }
    this.#tell(record)
  }

  /** Devices that have something in common, and what of it keeps them from guests: told where it is news. */
  setTroubles(joined: readonly string[], troubles: ReadonlyMap<string, DeviceTrouble>): void {
    const before = this.#troubles
    this.#joined = joined
    this.#troubles = troubles
    for (const address of new Set([...before.keys(), ...troubles.keys()])) {
      if (before.get(address)?.message !== troubles.get(address)?.message) this.#tell(this.recordOf(address))
    }
  }

  observations(): readonly DeviceObservation[] {
    const addresses = new Set([...this.#records.keys(), ...this.#joined])
    return [...addresses].map((address) => this.#observationOf(this.recordOf(address)))
  }

  onObservation(listener: (observation: DeviceObservation) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #observationOf(record: DeviceRecord): DeviceObservation {
    const present = !this.#absent.has(record.address)
    const trouble = this.#troubles.get(record.address)
    return observationOf(record, { present, trouble, nowMs: this.#options.clock.nowMs() })
  }

  #tell(record: DeviceRecord): void {
    for (const listener of this.#listeners) listener(this.#observationOf(record))
  }
}

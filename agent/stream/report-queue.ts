import { create } from '@bufbuild/protobuf'
import type { HostFacts } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import {
  InventoryCompleteSchema,
  type Report,
  ReportSchema,
  type SessionRequest,
} from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { Observation } from './ports.ts'

/** What is told: objects of the host, and the host itself. */
type Told = Observation | HostFacts

/** How many reports may be on their way without an acknowledgement. */
const windowSize = 64

/**
 * Reports of one session, in order. A newer observation of an object takes the place of one that waits: the scheduler
 * needs the latest, not the history. The inventory's end is sent after all that came before.
 */
export class ReportQueue {
  readonly #send: (body: Extract<SessionRequest['body'], { case: 'report' }>) => boolean
  readonly #onDurable: (observation: Told) => void
  readonly #waiting = new Map<string, Told>()
  readonly #unacknowledged = new Map<bigint, Told | undefined>()
  /** One report of an object is on its way at a time: what comes meanwhile is one report again. */
  readonly #onTheirWay = new Set<string>()
  #inventory: number | undefined
  #lastSequence = 0n
  #isPaused = false

  constructor(options: {
    send: (body: Extract<SessionRequest['body'], { case: 'report' }>) => boolean
    onDurable: (observation: Told) => void
  }) {
    this.#send = options.send
    this.#onDurable = options.onDurable
  }

  add(observation: Told): void {
    // Newest last, so that what is sent is in the order of what happened.
    const name = nameOf(observation)
    this.#waiting.delete(name)
    this.#waiting.set(name, observation)
    this.#flush()
  }

  completeInventory(instances: number): void {
    this.#inventory = instances
    this.#flush()
  }

  acknowledge(sequence: bigint): void {
    for (const [sent, observation] of this.#unacknowledged) {
      if (sent > sequence) break
      this.#unacknowledged.delete(sent)
      if (observation === undefined) continue
      this.#onTheirWay.delete(nameOf(observation))
      this.#onDurable(observation)
    }
    this.#flush()
  }

  /** The stream takes more again. */
  resume(): void {
    this.#isPaused = false
    this.#flush()
  }

  #flush(): void {
    for (const [name, observation] of this.#waiting) {
      if (this.#isPaused || this.#unacknowledged.size >= windowSize) return
      if (this.#onTheirWay.has(name)) continue
      this.#waiting.delete(name)
      // Of a device each word goes out at once: an instance that has let go of it may not be told of before.
      if (observation.$typeName !== 'berth.agent.v1.DeviceObservation') this.#onTheirWay.add(name)
      this.#report(bodyOf(observation), observation)
    }
    if (this.#inventory === undefined || this.#isPaused || this.#unacknowledged.size >= windowSize) return
    const instances = this.#inventory
    this.#inventory = undefined
    this.#report({ case: 'inventoryComplete', value: create(InventoryCompleteSchema, { instances }) })
  }

  #report(body: Report['body'], observation?: Told): void {
    this.#lastSequence += 1n
    this.#unacknowledged.set(this.#lastSequence, observation)
    const value = create(ReportSchema, { sequence: this.#lastSequence, body })
    if (!this.#send({ case: 'report', value })) this.#isPaused = true
  }
}

function nameOf(told: Told): string {
  switch (told.$typeName) {
    case 'berth.agent.v1.HostFacts':
      return 'host'
    case 'berth.agent.v1.DeviceObservation':
      return told.address
    case 'berth.agent.v1.DiskObservation':
    case 'berth.agent.v1.InstanceObservation':
      return told.uid
  }
}

function bodyOf(told: Told): Report['body'] {
  switch (told.$typeName) {
    case 'berth.agent.v1.HostFacts':
      return { case: 'host', value: told }
    case 'berth.agent.v1.DeviceObservation':
      return { case: 'device', value: told }
    case 'berth.agent.v1.DiskObservation':
      return { case: 'disk', value: told }
    case 'berth.agent.v1.InstanceObservation':
      return { case: 'instance', value: told }
  }
}

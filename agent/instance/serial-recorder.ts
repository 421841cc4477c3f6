import { InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { instancePaths } from '../plan/paths.ts'
import type { SerialOutcome, SerialRange } from '../stream/ports.ts'
import type { InstanceActor } from './actor.ts'
import { findGuest } from './guest.ts'
import type { InstancePorts } from './ports.ts'
import { SerialRing } from './serial-ring.ts'

/** While nobody looks: often enough that a chatty boot doesn't lap QEMU's ring. */
const pollMs = 2000
/** A guest that says nothing is asked half as often each time, down to one turn in so many: a boot is not over sooner. */
const longestRest = 16
const drainBytes = 256 * 1024

/** Takes guests' serial output out of QEMU's rings into files, and reads ranges of them. */
export class SerialRecorder {
  readonly #ports: InstancePorts
  readonly #rings = new Map<string, SerialRing>()
  readonly #draining = new Map<string, Promise<void>>()
  /** Turns that are left out, by guest: of how many, and of those how many are left. */
  readonly #rests = new Map<string, { length: number; left: number }>()
  readonly #stopPolling: () => void

  constructor(options: { ports: InstancePorts; actors: () => Iterable<InstanceActor> }) {
    this.#ports = options.ports
    this.#stopPolling = options.ports.clock.every(pollMs, () => {
      for (const actor of options.actors()) {
        const { phase, uid } = actor.record
        if (phase !== InstancePhase.RUNNING && phase !== InstancePhase.STOPPING) continue
        const rest = this.#rests.get(uid)
        if (rest !== undefined && rest.left > 0) rest.left -= 1
        else void this.#drain(actor)
      }
    })
  }

  /** Up to this moment: what the guest has just written is in it. */
  async read(actor: InstanceActor, range: SerialRange): Promise<SerialOutcome> {
    if (range.port !== 1) {
      return { kind: 'unavailable', reason: 'NO_SUCH_PORT', message: 'there is serial port 1 and no other' }
    }
    await this.#drain(actor)
    return { kind: 'range', ...(await this.#ringOf(actor).read(range.start, range.limitBytes)) }
  }

  forget(instanceUid: string): void {
    this.#rests.delete(instanceUid)
    this.#rings.delete(instanceUid)
  }

  async close(): Promise<void> {
    this.#stopPolling()
    await Promise.allSettled(this.#draining.values())
  }

  #drain(actor: InstanceActor): Promise<void> {
    const { uid } = actor.record
    const known = this.#draining.get(uid)
    if (known) return known
    const run = this.#drainOnce(actor)
      .catch((thrown: unknown) => {
        this.#ports.log.debug({ err: thrown, instanceUid: uid }, 'Serial output could not be read.')
      })
      .finally(() => this.#draining.delete(uid))
    this.#draining.set(uid, run)
    return run
  }

  async #drainOnce(actor: InstanceActor): Promise<void> {
    const { record } = actor
    const guest = record.process && (await findGuest(this.#ports, record))
    if (!guest || record.phase === InstancePhase.ABSENT) return
    const { qmpSocket } = instancePaths(this.#ports.directories, record.uid)
    let isQuiet = true
    for (;;) {
      const bytes = await this.#ports.hypervisor.readSerial(guest, qmpSocket, drainBytes)
      if (bytes.length > 0) await this.#ringOf(actor).append(bytes)
      isQuiet &&= bytes.length === 0
      if (bytes.length < drainBytes) break
    }
    const length = isQuiet ? Math.min((this.#rests.get(record.uid)?.length ?? 0) * 2 + 1, longestRest - 1) : 0
    this.#rests.set(record.uid, { length, left: length })
  }

  #ringOf(actor: InstanceActor): SerialRing {
    const { uid } = actor.record
    const directory = instancePaths(this.#ports.directories, uid).serialLog
    const ring = this.#rings.get(uid) ?? new SerialRing({ files: this.#ports.files, directory })
    this.#rings.set(uid, ring)
    return ring
  }
}

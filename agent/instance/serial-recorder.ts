// Takes guests' serial output out of their hypervisor into files, and reads ranges of them: as a driver gives it while nobody has a
// console, else as it comes. In: guests that run. Out: ranges, and connections for consoles.
import { createTurns } from '../../lib/turns.ts'
import { InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { GuestHandle } from '../drivers/hypervisor/port.ts'
import { instancePaths } from '../plan/paths.ts'
import type { SerialOutcome, SerialRange } from '../stream/ports.ts'
import type { InstanceActor } from './actor.ts'
import { findGuest } from './guest.ts'
import type { InstancePorts } from './ports.ts'
import { SerialConnection } from './serial-connection.ts'
import { SerialRing } from './serial-ring.ts'
import { ownerOf } from './step-context.ts'

/** While nobody looks: often enough that a chatty boot doesn't lap QEMU's ring. */
const pollMs = 2000
/** A guest that says nothing is asked half as often each time, down to one turn in so many: a boot is not over sooner. */
const longestRest = 16
const drainBytes = 256 * 1024
/** For what is on its way out of a socket that QEMU has closed. */
const lastBytesMs = 2000

export class SerialRecorder {
  readonly #ports: InstancePorts
  readonly #rings = new Map<string, SerialRing>()
  readonly #connections = new Map<string, SerialConnection>()
  /** A guest's port is drained, given to a console or taken back, one at a time. */
  readonly #turns = createTurns()
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
    return { kind: 'range', ...(await this.ringOf(actor.record.uid).read(range.start, range.limitBytes)) }
  }

  /** The port for a console, shared with those that are there; undefined where no guest runs. Each is to be released. */
  connect(actor: InstanceActor): Promise<SerialConnection | undefined> {
    const { uid } = actor.record
    return this.#turns.alone(uid, async () => {
      const known = this.#connections.get(uid)
      const connection = known?.isOver === false ? known : await this.#connect(actor)
      if (connection) connection.users += 1
      return connection
    })
  }

  /** With the last of its users the port goes back to the ring. */
  async release(actor: InstanceActor, connection: SerialConnection): Promise<void> {
    connection.users -= 1
    await this.#turns.alone(actor.record.uid, async () => {
      if (connection.users === 0) await this.#disconnect(actor, connection)
    })
  }

  ringOf(instanceUid: string): SerialRing {
    const directory = instancePaths(this.#ports.directories, instanceUid).serialLog
    const ring = this.#rings.get(instanceUid) ?? new SerialRing({ files: this.#ports.files, directory })
    this.#rings.set(instanceUid, ring)
    return ring
  }

  forget(instanceUid: string): void {
    this.#rests.delete(instanceUid)
    this.#rings.delete(instanceUid)
  }

  /** Once all consoles are released. Resolves when nothing is under way. */
  async close(actors: Iterable<InstanceActor>): Promise<void> {
    this.#stopPolling()
    await Promise.allSettled(
      Array.from(actors, ({ record }) => this.#turns.alone(record.uid, async () => {})),
    )
  }

  #drain(actor: InstanceActor): Promise<void> {
    const { uid } = actor.record
    return this.#turns.shared(uid, () =>
      this.#drainOnce(actor).catch((err: unknown) => {
        this.#ports.log.debug({ err, instanceUid: uid }, 'Serial output could not be read.')
      }),
    )
  }

  async #drainOnce(actor: InstanceActor): Promise<void> {
    const { record } = actor
    if (this.#connections.has(record.uid)) return
    const guest = record.process && (await findGuest(this.#ports, record))
    if (!guest || record.phase === InstancePhase.ABSENT) return
    const isQuiet = !(await this.#drainRing(guest, record.uid))
    const length = isQuiet ? Math.min((this.#rests.get(record.uid)?.length ?? 0) * 2 + 1, longestRest - 1) : 0
    this.#rests.set(record.uid, { length, left: length })
  }

  /** false where there was nothing. */
  async #drainRing(guest: GuestHandle, instanceUid: string): Promise<boolean> {
    for (let isFirst = true; ; isFirst = false) {
      const bytes = await this.#ports.hypervisor.readSerial(guest, drainBytes)
      if (bytes.length > 0) await this.ringOf(instanceUid).append(bytes)
      if (bytes.length < drainBytes) return !isFirst || bytes.length > 0
    }
  }

  async #connect({ record }: InstanceActor): Promise<SerialConnection | undefined> {
    const { files, hypervisor, log, directories } = this.#ports
    const { uid: instanceUid, phase } = record
    if (phase !== InstancePhase.RUNNING && phase !== InstancePhase.STOPPING) return undefined
    const guest = record.process && (await findGuest(this.#ports, record))
    if (!guest) return undefined
    const { consoleDirectory, consoleSocket: socketPath } = instancePaths(directories, instanceUid)
    await this.#drainRing(guest, instanceUid)
    const ring = this.ringOf(instanceUid)
    // An agent that was killed may have left it.
    await files.remove(consoleDirectory)
    const { gid } = ownerOf(record)
    await files.makeDirectory(consoleDirectory, { mode: 0o710, owner: { uid: 0, gid } })
    try {
      const options = { socketPath, maxBytes: drainBytes }
      const { unread, socket } = await hypervisor.openSerial(guest, options)
      if (unread.length > 0) await ring.append(unread)
      const connection = new SerialConnection({
        ...{ socket, ring },
        onFailure: (err) => log.warn({ err, instanceUid }, 'Serial output could not be recorded.'),
      })
      this.#connections.set(instanceUid, connection)
      void connection.over.then(() => {
        if (this.#connections.get(instanceUid) === connection) this.#connections.delete(instanceUid)
      })
      return connection
    } finally {
      await files.remove(consoleDirectory)
    }
  }

  async #disconnect({ record }: InstanceActor, connection: SerialConnection): Promise<void> {
    if (connection.isOver) return
    const { hypervisor, clock, log } = this.#ports
    // First the socket, then the ring: a port that changes while its guest waits for a full socket is silent for ever.
    connection.end()
    const waiting = new AbortController()
    const late = clock.sleep(lastBytesMs, waiting.signal).catch(() => {})
    await Promise.race([connection.over, late])
    waiting.abort()
    connection.close()
    await connection.over
    try {
      const guest = record.process && (await findGuest(this.#ports, record))
      if (guest) await hypervisor.closeSerial(guest)
    } catch (err) {
      // The ring comes back when it is read the next time.
      log.warn({ err, instanceUid: record.uid }, 'A console could not be taken off its guest.')
    }
  }
}

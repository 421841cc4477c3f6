import type { InstanceUid, ProjectId } from '../../proto/ids.ts'
import { refuse } from '../errors.ts'
import type { InstanceRecord } from '../model/instance.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts, Unavailable } from './ports.ts'
import { readInstance } from './read-instance.ts'
import { type ConsoleEnd, type ConsoleViewer, SharedConsole } from './shared-console.ts'

export type { ConsoleEnd, ConsoleViewer }

/** Each costs the scheduler the memory that a slow viewer may take. */
const maximumViewers = 50

interface Address {
  readonly project: ProjectId
  readonly idOrUid: string
}

/** A console that is open, for one who is about to look. */
export interface AttachedConsole {
  /** History comes at once, then what the guest writes. */
  show(viewer: ConsoleViewer): void
  type(bytes: Uint8Array): Promise<void>
  leave(): void
}

type ConsolePorts = Pick<OperationPorts, 'store' | 'queries' | 'clock' | 'random' | 'log'>

/** The consoles that are looked at through this scheduler: one of its host for each instance, however many look. */
export class Consoles {
  readonly #ports: ConsolePorts
  readonly #open = new Map<
    InstanceUid,
    { console: SharedConsole; opening: Promise<Unavailable | undefined> }
  >()

  constructor(ports: ConsolePorts) {
    this.#ports = ports
  }

  /** Whether there is one to look at, and how many do. */
  async describe(
    address: Address,
  ): Promise<Outcome<{ readonly instanceId: string; readonly viewers: number }>> {
    const found = await this.#findRunning(address)
    if (found.kind === 'refused') return found
    const { id, uid } = found.value
    return done({ instanceId: id, viewers: this.#open.get(uid)?.console.viewers ?? 0 })
  }

  async attach(address: Address): Promise<Outcome<AttachedConsole>> {
    const found = await this.#findRunning(address)
    if (found.kind === 'refused') return found
    const instance = found.value
    const { uid, id, hostId } = instance
    const { console, opening } = this.#open.get(uid) ?? this.#begin(instance)
    // Who has come is counted from now on: it stays open for one whose viewer is not there yet.
    const place: ConsoleViewer = { show: () => {}, note: () => {}, end: () => {} }
    if (console.viewers >= maximumViewers) {
      return refuse('TOO_MANY_VIEWERS', { id, maximum: maximumViewers })
    }
    console.add(place)
    const refused = await opening
    if (refused === undefined) return done(attachedTo(console, place))
    console.remove(place)
    this.#ports.log.info({ instanceUid: uid, hostId, reason: refused.reason }, refused.message)
    switch (refused.reason) {
      case 'NOT_RUNNING':
      case 'NOT_HERE':
        return refuseStopped(id)
      case 'UNSUPPORTED':
        return refuse('CONSOLE_UNSUPPORTED', { id })
      default:
        return refuse('CONSOLE_UNAVAILABLE', { id })
    }
  }

  close(): void {
    for (const { console } of [...this.#open.values()]) console.close()
  }

  #begin(instance: InstanceRecord) {
    const { uid } = instance
    const { queries, clock, random } = this.#ports
    const console = new SharedConsole({
      ...{ instance, queries, clock, random },
      onOver: () => {
        if (this.#open.get(uid)?.console === console) this.#open.delete(uid)
      },
    })
    const opened = { console, opening: console.open() }
    this.#open.set(uid, opened)
    return opened
  }

  async #findRunning(address: Address): Promise<Outcome<InstanceRecord>> {
    const found = await readInstance(address, this.#ports)
    if (found.kind === 'refused') return found
    const { status, id } = found.value
    // While it stops it can say why it takes so long.
    return status === 'RUNNING' || status === 'STOPPING' ? found : refuseStopped(id)
  }
}

const refuseStopped = (id: string) =>
  refuse('WRONG_STATE', {
    message: `${id} does not run: a console is there while its guest runs. Start it first.`,
  })

function attachedTo(console: SharedConsole, place: ConsoleViewer): AttachedConsole {
  let present = place
  return {
    show: (viewer) => {
      console.add(viewer)
      console.remove(present)
      present = viewer
    },
    type: (bytes) => console.type(bytes),
    leave: () => console.remove(present),
  }
}

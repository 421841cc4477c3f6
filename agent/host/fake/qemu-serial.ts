import type { ByteSocket } from '../ports.ts'
import type { FakeFiles } from './fake-files.ts'
import type { FakeSockets } from './fake-sockets.ts'
import { QemuRefusal } from './qemu-disks.ts'

type Backend =
  | { readonly kind: 'ring'; unread: Buffer }
  | { readonly kind: 'socket'; readonly path: string; readonly socket: ByteSocket; isConnected: boolean }

interface AskedBackend {
  readonly type?: string
  readonly data?: {
    readonly size?: number
    readonly server?: boolean
    readonly addr?: { readonly type?: string; readonly data?: { readonly path?: string } }
  }
}

/**
 * Serial port 1 of one guest: its ring keeps the last of what nobody has read, its socket nothing. What comes to the guest
 * it writes back, as a terminal does that nobody is logged in to.
 */
export class FakeQemuSerial {
  readonly #world: { readonly sockets: FakeSockets; readonly files: FakeFiles; readonly uid: number }
  readonly #ringBytes: number
  #backend: Backend = { kind: 'ring', unread: Buffer.alloc(0) }
  /** All that has come to the guest. */
  typed = ''

  constructor(world: { sockets: FakeSockets; files: FakeFiles; uid: number }, args: readonly string[]) {
    this.#world = world
    const ring = args.find((arg) => arg.startsWith('ringbuf,id=serial0,'))
    this.#ringBytes = Number(/size=(\d+)/.exec(ring ?? '')?.[1] ?? 0)
  }

  /** Whether an agent has the port instead of the ring. */
  get isWatched(): boolean {
    return this.#backend.kind === 'socket'
  }

  /** As the guest does. */
  write(text: string): void {
    const backend = this.#backend
    if (backend.kind === 'ring') {
      const all = Buffer.concat([backend.unread, Buffer.from(text)])
      backend.unread = all.subarray(Math.max(0, all.length - this.#ringBytes))
    } else if (backend.isConnected) void backend.socket.write(Buffer.from(text))
  }

  async execute(command: string, wanted: Record<string, unknown>): Promise<unknown> {
    const { device, id } = wanted as { device?: string; id?: string }
    const backend = this.#backend
    if (command === 'query-chardev') {
      return [{ label: 'serial0', 'frontend-open': true, filename: nameOf(backend) }]
    }
    if ((device ?? id) !== 'serial0') throw new QemuRefusal(`Device '${device ?? id}' not found`)
    if (command === 'chardev-change') {
      const next = await this.#open(wanted['backend'] as AskedBackend)
      // What nobody has read of a ring goes with it.
      if (backend.kind === 'socket') backend.socket.close()
      this.#backend = next
      return {}
    }
    if (backend.kind !== 'ring') throw new QemuRefusal('serial0 is not a ringbuf device')
    const taken = backend.unread.subarray(0, Number(wanted['size']))
    backend.unread = backend.unread.subarray(taken.length)
    return taken.toString('base64')
  }

  /** With its process. */
  end(): void {
    if (this.#backend.kind === 'socket') this.#backend.socket.close()
  }

  async #open({ type, data = {} }: AskedBackend): Promise<Backend> {
    if (type === 'ringbuf' && data.size === this.#ringBytes) return { kind: 'ring', unread: Buffer.alloc(0) }
    const path = data.addr?.type === 'unix' ? data.addr.data?.path : undefined
    if (type !== 'socket' || data.server !== false || path === undefined) {
      throw new Error(`The fake QEMU has no such backend: ${JSON.stringify({ type, data })}`)
    }
    const directory = await this.#world.files.stat(path.slice(0, path.lastIndexOf('/')))
    const isOpen = directory?.gid === this.#world.uid && (directory.mode & 0o010) !== 0
    const socket = isOpen ? this.#world.sockets.dial(path) : undefined
    if (!socket) throw new QemuRefusal(`Failed to connect to '${path}': Permission denied or nobody there`)
    const backend: Backend = { kind: 'socket', path, socket, isConnected: true }
    socket.onBytes(async (bytes) => {
      const text = Buffer.from(bytes).toString()
      this.typed += text
      this.write(text)
    })
    socket.onClose(() => {
      backend.isConnected = false
    })
    return backend
  }
}

function nameOf(backend: Backend): string {
  if (backend.kind === 'ring') return 'ringbuf'
  return `${backend.isConnected ? '' : 'disconnected:'}unix:${backend.path}`
}

// Serial port 1 of a guest of libvirt's: what it writes is read from where libvirt keeps it, with a console or without, so that
// no byte is lost or comes twice when one is opened or an agent is killed. What is typed goes in by `virsh console`.
import type { Clock } from '../../../../lib/clock.ts'
import type { Logger } from '../../../../lib/log.ts'
import { createTurns } from '../../../../lib/turns.ts'
import type { ByteSocket, Files, Terminal, Terminals } from '../../../host/ports.ts'
import { domainName } from '../../../plan/names.ts'
import { type GuestHandle, type HypervisorDriver, HypervisorError } from '../port.ts'
import { takeSerial } from './serial-stream.ts'
import { virshArgs } from './virsh.ts'

const pollMs = 50
const partBytes = 64 * 1024
/** virsh wants some key that ends it; this one (Ctrl-^) is on few keyboards, and what a guest is never sent. */
const escapeKey = '^^'
const escapeByte = 0x1e

interface SerialDoors {
  readonly files: Files
  readonly terminals: Terminals
  readonly clock: Clock
  readonly log: Logger
}

export function createConsolePort(
  doors: SerialDoors,
): Pick<HypervisorDriver, 'readSerial' | 'openSerial' | 'closeSerial'> {
  const { files, terminals } = doors
  return {
    readSerial: ({ paths }, maxBytes) => takeSerial(files, paths, maxBytes),
    openSerial: async (guest, { maxBytes }) => {
      const words = virshArgs('--escape', escapeKey, 'console', domainName(guest.instanceUid), '--force')
      const terminal = await terminals.open('virsh', words).catch((cause: unknown) => {
        const said = cause instanceof Error ? cause.message : String(cause)
        throw new HypervisorError('UNRESPONSIVE', `libvirt gave no console: ${said}.`, { cause })
      })
      const unread = await takeSerial(files, guest.paths, maxBytes)
      return { unread, socket: new ConsoleSocket({ ...doors, guest, terminal }) }
    },
    // A console leaves nothing behind.
    closeSerial: async () => {},
  }
}

class ConsoleSocket implements ByteSocket {
  readonly #options: SerialDoors & { readonly guest: GuestHandle; readonly terminal: Terminal }
  readonly #turns = createTurns()
  readonly #closed = Promise.withResolvers<void>()
  #listener: ((bytes: Uint8Array) => Promise<void>) | undefined
  readonly #stopPolling: () => void

  constructor(options: SerialDoors & { readonly guest: GuestHandle; readonly terminal: Terminal }) {
    this.#options = options
    this.#stopPolling = options.clock.every(pollMs, () => void this.#turns.shared('read', () => this.#read()))
    options.terminal.onEnd(() => this.end())
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#options.terminal.write(bytes.filter((byte) => byte !== escapeByte))
    return Promise.resolve()
  }

  onBytes(listener: (bytes: Uint8Array) => Promise<void>): void {
    this.#listener = listener
  }

  onClose(listener: () => void): void {
    void this.#closed.promise.then(listener)
  }

  /** What has been written until now still comes. */
  end(): void {
    this.#stop()
    void this.#turns.alone('read', () => this.#read()).finally(() => this.#closed.resolve())
  }

  close(): void {
    this.#stop()
    this.#closed.resolve()
  }

  #stop(): void {
    this.#stopPolling()
    this.#options.terminal.close()
  }

  /** No faster than it is listened to: what nobody reads waits where libvirt keeps it. */
  async #read(): Promise<void> {
    const { files, guest, log } = this.#options
    try {
      for (let isMore = true; isMore; ) {
        if (!this.#listener) return
        const bytes = await takeSerial(files, guest.paths, partBytes)
        if (bytes.length > 0) await this.#listener(bytes)
        isMore = bytes.length === partBytes
      }
    } catch (err) {
      log.warn({ err, instanceUid: guest.instanceUid }, 'Serial output could not be read.')
    }
  }
}

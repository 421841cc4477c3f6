import type { OpenSerial } from '../drivers/hypervisor/port.ts'
import type { SerialRing } from './serial-ring.ts'

const maximumUnrecordedBytes = 1024 * 1024

/** A guest's serial port while somebody has a console on it: what it writes is recorded as it comes. */
export class SerialConnection {
  readonly #socket: OpenSerial['socket']
  #news = Promise.withResolvers<void>()
  #isOver = false
  #unrecordedBytes = 0
  #recorded: Promise<void> = Promise.resolve()
  /** How many have a console on it. */
  users = 0
  /** All that the guest has written to it is recorded. */
  readonly over: Promise<void>

  constructor({ socket, ring, onFailure }: SerialConnectionOptions) {
    this.#socket = socket
    socket.onBytes((bytes) => {
      this.#unrecordedBytes += bytes.length
      // A disk that is full must not hold up the guest.
      this.#recorded = ring
        .append(bytes)
        .catch(onFailure)
        .then(() => {
          this.#unrecordedBytes -= bytes.length
          this.#tell()
        })
      // QEMU's end of the socket is full after a few hundred single bytes: nothing waits for the disk in time.
      return this.#unrecordedBytes < maximumUnrecordedBytes ? Promise.resolve() : this.#recorded
    })
    this.over = new Promise((resolve) => {
      socket.onClose(() => {
        void this.#recorded.then(() => {
          this.#isOver = true
          this.#tell()
          resolve()
        })
      })
    })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Resolves with the next bytes, or when it is over. */
  get news(): Promise<void> {
    return this.#news.promise
  }

  /** Resolves once the guest takes more. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#socket.write(bytes)
  }

  /** Says that it is to be over; what the guest has written until then still comes. */
  end(): void {
    this.#socket.end()
  }

  close(): void {
    this.#socket.close()
  }

  #tell(): void {
    this.#news.resolve()
    this.#news = Promise.withResolvers()
  }
}

export interface SerialConnectionOptions {
  readonly socket: OpenSerial['socket']
  readonly ring: SerialRing
  readonly onFailure: (thrown: unknown) => void
}

import type { Clock } from '../../../lib/clock.ts'
import type { Sockets } from '../../host/ports.ts'
import { QmpClient } from './qmp-client.ts'

/** One shared connection for each guest: QEMU lets a second client wait for ever. */
export class Monitors {
  readonly #open = new Map<string, Promise<QmpClient>>()
  readonly #sockets: Sockets
  readonly #clock: Clock

  constructor(options: { sockets: Sockets; clock: Clock }) {
    this.#sockets = options.sockets
    this.#clock = options.clock
  }

  /** @throws if nothing listens there, or says nothing in that time. */
  get(path: string, timeoutMs?: number): Promise<QmpClient> {
    const known = this.#open.get(path)
    if (known) return known
    const opening = this.#connect(path, timeoutMs)
    this.#open.set(path, opening)
    opening.then(
      (client) => client.onClose(() => this.#forget(path, opening)),
      () => this.#forget(path, opening),
    )
    return opening
  }

  close(path: string): void {
    const known = this.#open.get(path)
    this.#open.delete(path)
    known?.then(
      (client) => client.close(),
      () => {},
    )
  }

  async #connect(path: string, timeoutMs?: number): Promise<QmpClient> {
    return QmpClient.open(await this.#sockets.connect(path), this.#clock, timeoutMs)
  }

  #forget(path: string, opening: Promise<QmpClient>): void {
    if (this.#open.get(path) === opening) this.#open.delete(path)
  }
}

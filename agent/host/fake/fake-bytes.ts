import type { ByteSocket } from '../ports.ts'

/** Two ends of one connection. */
export function createBytePair(): readonly [ByteSocket, ByteSocket] {
  const one = new FakeByteEnd()
  const other = new FakeByteEnd()
  one.joinWith(other)
  other.joinWith(one)
  return [one, other]
}

/** What is written waits for a listener, and its writer with it. What came before a close is taken before that is told. */
class FakeByteEnd implements ByteSocket {
  #other: FakeByteEnd | undefined
  readonly #waiting: { readonly bytes: Uint8Array; readonly taken: () => void }[] = []
  #listener: ((bytes: Uint8Array) => Promise<void>) | undefined
  #tellClosed: (() => void) | undefined
  #isClosed = false
  #isDelivering = false

  joinWith(other: FakeByteEnd): void {
    this.#other = other
  }

  write(bytes: Uint8Array): Promise<void> {
    const other = this.#other
    if (this.#isClosed || !other) return Promise.resolve()
    return new Promise((taken) => {
      other.#waiting.push({ bytes, taken })
      other.#deliverSoon()
    })
  }

  onBytes(listener: (bytes: Uint8Array) => Promise<void>): void {
    this.#listener = listener
    this.#deliverSoon()
  }

  onClose(listener: () => void): void {
    this.#tellClosed = listener
    this.#deliverSoon()
  }

  /** The other end closes as soon as it sees that. */
  end(): void {
    this.close()
  }

  close(): void {
    for (const end of [this, this.#other]) {
      if (!end || end.#isClosed) continue
      end.#isClosed = true
      end.#deliverSoon()
    }
  }

  #deliverSoon(): void {
    setImmediate(() => void this.#deliver())
  }

  async #deliver(): Promise<void> {
    if (this.#isDelivering) return
    this.#isDelivering = true
    for (let part = this.#next(); part; part = this.#next()) {
      await this.#listener?.(part.bytes)
      part.taken()
    }
    this.#isDelivering = false
    if (!this.#isClosed || (this.#listener && this.#waiting.length > 0)) return
    for (const { taken } of this.#waiting.splice(0)) taken()
    this.#tellClosed?.()
    this.#tellClosed = undefined
  }

  #next() {
    return this.#listener ? this.#waiting.shift() : undefined
  }
}

import type { Files } from '../host/ports.ts'

export interface SerialChunk {
  readonly start: bigint
  readonly next: bigint
  readonly bytes: Uint8Array
}

const segmentBytes = 128 * 1024

/**
 * The last megabyte that a guest wrote to its serial port, with offsets since its first boot, in files of a fixed size:
 * the oldest goes when a new one begins. A file's name is the offset of its first byte.
 */
export class SerialRing {
  readonly #files: Files
  readonly #directory: string
  readonly #keepBytes: number
  #segments: { start: bigint; sizeBytes: number }[] | undefined
  /** One after the other: what is read is not dropped meanwhile. */
  #inTurn: Promise<unknown> = Promise.resolve()

  constructor(options: { files: Files; directory: string; keepBytes?: number }) {
    this.#files = options.files
    this.#directory = options.directory
    this.#keepBytes = options.keepBytes ?? 1024 * 1024
  }

  append(bytes: Uint8Array): Promise<void> {
    return this.#alone(() => this.#append(bytes))
  }

  /** From `start` on, or from the oldest byte that is left; a negative start counts from the end. */
  read(start: bigint, limitBytes: number): Promise<SerialChunk> {
    return this.#alone(() => this.#read(start, limitBytes))
  }

  #alone<Value>(work: () => Promise<Value>): Promise<Value> {
    const run = this.#inTurn.then(work)
    this.#inTurn = run.catch(() => {})
    return run
  }

  async #append(bytes: Uint8Array): Promise<void> {
    const segments = await this.#load()
    for (let done = 0; done < bytes.length; ) {
      let last = segments.at(-1)
      if (!last || last.sizeBytes >= segmentBytes) {
        last = { start: last ? last.start + BigInt(last.sizeBytes) : 0n, sizeBytes: 0 }
        segments.push(last)
        await this.#dropOld(segments)
      }
      const part = bytes.subarray(done, done + segmentBytes - last.sizeBytes)
      await this.#files.append(this.#pathOf(last.start), part)
      last.sizeBytes += part.length
      done += part.length
    }
  }

  async #read(start: bigint, limitBytes: number): Promise<SerialChunk> {
    const segments = await this.#load()
    const first = segments[0]?.start ?? 0n
    const last = segments.at(-1)
    const end = last ? last.start + BigInt(last.sizeBytes) : 0n
    const asked = start < 0n ? end + start : start
    const from = asked < first ? first : asked > end ? end : asked
    const parts: Uint8Array[] = []
    let position = from
    const stop = from + BigInt(limitBytes) < end ? from + BigInt(limitBytes) : end
    for (const segment of segments) {
      const segmentEnd = segment.start + BigInt(segment.sizeBytes)
      if (segmentEnd <= position || segment.start >= stop) continue
      const until = segmentEnd < stop ? segmentEnd : stop
      const offset = Number(position - segment.start)
      parts.push(await this.#files.readRange(this.#pathOf(segment.start), offset, Number(until - position)))
      position = until
    }
    return { start: from, next: position, bytes: Buffer.concat(parts) }
  }

  async #load() {
    if (this.#segments) return this.#segments
    await this.#files.makeDirectory(this.#directory, { mode: 0o700 })
    const names = (await this.#files.list(this.#directory)).filter((name) => /^\d{20}$/.test(name))
    this.#segments = []
    for (const name of names) {
      const sizeBytes = (await this.#files.stat(`${this.#directory}/${name}`))?.sizeBytes ?? 0
      this.#segments.push({ start: BigInt(name), sizeBytes })
    }
    return this.#segments
  }

  async #dropOld(segments: { start: bigint; sizeBytes: number }[]): Promise<void> {
    while (segments.length * segmentBytes > this.#keepBytes + segmentBytes) {
      const oldest = segments.shift()
      if (oldest) await this.#files.remove(this.#pathOf(oldest.start))
    }
  }

  #pathOf(start: bigint): string {
    return `${this.#directory}/${start.toString().padStart(20, '0')}`
  }
}

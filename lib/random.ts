import { createHash, randomBytes, randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'
import { systemClock } from './clock.ts'

/** The only door to randomness. */
export interface Random {
  /** A UUID v7: sorts by time of making. */
  uuid(): string
  /** `length` characters of [a-z0-9]. */
  slug(length: number): string
  /** From 0 up to, but without, 1. */
  fraction(): number
  bytes(length: number): Uint8Array
}

const slugAlphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'

// Asking for a few at a time would take longer than all that is done with them.
const pool = new Uint8Array(16_384)
let taken = pool.length

/** Where in the pool that many lie which nobody has had. */
function take(length: number): number {
  if (taken + length > pool.length) {
    randomFillSync(pool)
    taken = 0
  }
  taken += length
  return taken - length
}

const randomByte = (): number => pool[take(1)] ?? 0

function bytesOf(length: number): Uint8Array {
  if (length > pool.length) return randomBytes(length)
  const start = take(length)
  return pool.slice(start, start + length)
}

let lastMs = 0
let sequence = 0

/** Those of one millisecond are counted, so that they sort as they were made. */
function nextUuid(): string {
  const nowMs = systemClock.nowMs()
  if (nowMs > lastMs) {
    lastMs = nowMs
    sequence = (randomByte() << 16) | (randomByte() << 8) | randomByte()
  } else sequence += 1
  return v7({ random: bytesOf(16), msecs: lastMs, seq: sequence })
}

export const systemRandom: Random = {
  uuid: nextUuid,
  slug: (length) => slugOf(length, randomByte),
  fraction: () => Buffer.from(bytesOf(4)).readUInt32BE() / 2 ** 32,
  bytes: bytesOf,
}

/** The same seed gives the same values: for simulations and for replaying decisions. */
export function seededRandom(seed: string): Random {
  let counter = 0
  const bytes = (length: number) => {
    const chunks: Buffer[] = []
    for (let have = 0; have < length; have += 32) {
      counter += 1
      chunks.push(createHash('sha256').update(`${seed}:${counter}`).digest())
    }
    return Buffer.concat(chunks).subarray(0, length)
  }
  return {
    uuid: () => v7({ random: bytes(16), msecs: counter, seq: counter }),
    slug: (length) => slugOf(length, () => bytes(1)[0] ?? 0),
    fraction: () => bytes(4).readUInt32BE() / 2 ** 32,
    bytes,
  }
}

function slugOf(length: number, nextByte: () => number): string {
  let slug = ''
  while (slug.length < length) {
    const byte = nextByte()
    // Bytes past the last whole multiple of 36 would make some letters likelier.
    if (byte < 252) slug += slugAlphabet[byte % 36]
  }
  return slug
}

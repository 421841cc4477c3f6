// One gzip stream for each reader, of parts that are compressed once for all of them. In: texts. Out: the bytes of a part,
// which fit behind any others, and what a stream begins and ends with. A part refers to nothing before it, and ends with an
// empty stored block, at which every decoder shows what it has. The checksum of the whole comes from those of the parts, so
// that no stream's bytes are gone through again. Parts are no gzip files of their own: browsers stop after the first.
import { constants, crc32, deflateRawSync } from 'node:zlib'

export interface GzipPart {
  readonly bytes: Buffer
  /** Of the text, not of the bytes. */
  readonly length: number
  readonly crc: number
  /** x^(8 × length): what the checksum of everything before is multiplied by. */
  readonly shift: number
}

/** What a stream has sent so far. */
export interface GzipSum {
  readonly crc: number
  readonly length: number
}

/** RFC 1952: deflate, no name, no time, from an unknown system. */
export const gzipHeader: Buffer = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])
export const emptySum: GzipSum = { crc: 0, length: 0 }
/** A block without anything in it that says that it is the last. */
const lastBlock = [0x03, 0x00]

export function compressPart(text: string): GzipPart {
  const plain = Buffer.from(text)
  return {
    // Level 1: events are so alike that more effort gains little.
    bytes: deflateRawSync(plain, { level: 1, finishFlush: constants.Z_FULL_FLUSH }),
    length: plain.length,
    crc: crc32(plain),
    shift: powerOfX(8 * plain.length),
  }
}

export const addPart = (sum: GzipSum, part: GzipPart): GzipSum => ({
  crc: (multiply(sum.crc, part.shift) ^ part.crc) >>> 0,
  length: (sum.length + part.length) % 2 ** 32,
})

export function gzipEnd({ crc, length }: GzipSum): Buffer {
  const end = Buffer.alloc(lastBlock.length + 8)
  end.set(lastBlock)
  end.writeUInt32LE(crc, lastBlock.length)
  end.writeUInt32LE(length, lastBlock.length + 4)
  return end
}

// Checksums are polynomials over bits, modulo the polynomial of CRC-32. The highest bit is the coefficient of x^0, so that to
// multiply by x is to shift to the right.
const modulus = 0xedb88320
const one = 2 ** 31
const timesX = (a: number): number => (a & 1 ? (a >>> 1) ^ modulus : a >>> 1)

function multiply(a: number, b: number): number {
  let product = 0
  for (let [bits, term] = [a, b]; bits !== 0; bits <<= 1, term = timesX(term)) {
    if (bits & one) product ^= term
  }
  return product >>> 0
}

/** By squaring: as many steps as the exponent has bits. */
function powerOfX(exponent: number): number {
  let power = one
  for (let [left, square] = [exponent, timesX(one)]; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = multiply(power, square)
    square = multiply(square, square)
  }
  return power
}

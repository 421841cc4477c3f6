import { constants, gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addPart,
  compressPart,
  emptySum,
  type GzipPart,
  gzipEnd,
  gzipHeader,
} from '../../../scheduler/api/shared-gzip.ts'

/** Short ones, ones that repeat themselves over and over, and ones longer than what deflate looks back to. */
const texts = fc.array(
  fc.oneof(
    fc.string({ unit: 'binary' }),
    fc
      .tuple(fc.string({ maxLength: 40 }), fc.integer({ min: 0, max: 3000 }))
      .map(([text, times]) => text.repeat(times)),
  ),
  { maxLength: 12 },
)
const bytesOf = (parts: readonly GzipPart[]) =>
  Buffer.concat([gzipHeader, ...parts.map(({ bytes }) => bytes)])
const endOf = (parts: readonly GzipPart[]) => gzipEnd(parts.reduce(addPart, emptySum))

describe('parts behind one another', () => {
  it('are one gzip file, and the checksum at its end is that of all', () => {
    fc.assert(
      fc.property(texts, (all) => {
        const parts = all.map(compressPart)
        expect(gunzipSync(Buffer.concat([bytesOf(parts), endOf(parts)])).toString()).toBe(all.join(''))
      }),
    )
  })

  it('can be read up to any of them before the end has come', () => {
    fc.assert(
      fc.property(texts, fc.nat(12), (all, count) => {
        const sent = all.slice(0, count)
        const bytes = bytesOf(sent.map(compressPart))
        const shown = gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH })
        expect(shown.toString()).toBe(sent.join(''))
      }),
    )
  })

  it('each end with an empty stored block, the one sign at which some decoders show what they have', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (text) => {
        expect([...compressPart(text).bytes.subarray(-4)]).toEqual([0, 0, 0xff, 0xff])
      }),
    )
  })

  it('fit into any stream, in any order', () => {
    fc.assert(
      fc.property(texts, fc.infiniteStream(fc.nat()), (all, picks) => {
        const made = all.map((text) => ({ text, part: compressPart(text) }))
        const streams = [made, made.toReversed(), made.filter(() => (picks.next().value ?? 0) % 2 === 0)]
        for (const stream of streams) {
          const parts = stream.map(({ part }) => part)
          const whole = Buffer.concat([bytesOf(parts), endOf(parts)])
          expect(gunzipSync(whole).toString()).toBe(stream.map(({ text }) => text).join(''))
        }
      }),
    )
  })

  it('that are missing or doubled are noticed', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }), { minLength: 1 }), (all) => {
        const parts = all.map(compressPart)
        const end = endOf(parts)
        expect(() => gunzipSync(Buffer.concat([bytesOf(parts.slice(1)), end]))).toThrow('incorrect')
        expect(() => gunzipSync(Buffer.concat([bytesOf([...parts, ...parts]), end]))).toThrow('incorrect')
      }),
    )
  })
})

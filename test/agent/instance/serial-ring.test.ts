import fc from 'fast-check'
import { expect, it } from 'vitest'
import { FakeFiles } from '../../../agent/host/fake/fake-files.ts'
import { SerialRing } from '../../../agent/instance/serial-ring.ts'

const directory = '/serial'
const segmentBytes = 128 * 1024
const keepBytes = 2 * segmentBytes

function newFiles() {
  return new FakeFiles({ totalBytes: 1e9, nowMs: () => 0 })
}

const pattern = Uint8Array.from({ length: 251 + 600_000 }, (_, index) => index % 251)

/** Each byte tells its offset. */
const bytesFrom = (start: number, length: number) => pattern.subarray(start % 251, (start % 251) + length)

it('keeps the end of what was written, with offsets from the first byte, whoever reads', async () => {
  const writes = fc.array(fc.integer({ min: 0, max: segmentBytes * 2 }), { minLength: 1, maxLength: 8 })
  const reads = fc.record({
    start: fc.integer({ min: -600_000, max: 2_000_000 }),
    limit: fc.integer({ min: 0, max: 300_000 }),
  })
  await fc.assert(
    fc.asyncProperty(writes, reads, async (lengths, { start, limit }) => {
      const files = newFiles()
      const writer = new SerialRing({ files, directory, keepBytes })
      let total = 0
      for (const length of lengths) {
        await writer.append(bytesFrom(total, length))
        total += length
      }
      for (const ring of [writer, new SerialRing({ files, directory, keepBytes })]) {
        const read = await ring.read(BigInt(start), limit)
        const from = Number(read.start)
        expect(Number(read.next)).toBe(from + read.bytes.length)
        expect(Number(read.next)).toBeLessThanOrEqual(total)
        expect(read.bytes.length).toBeLessThanOrEqual(limit)
        expect(Buffer.from(read.bytes).equals(bytesFrom(from, read.bytes.length))).toBe(true)
        const asked = start < 0 ? Math.max(0, total + start) : Math.min(start, total)
        // Later than asked only where that is no longer kept.
        if (asked >= total - keepBytes) expect(from).toBe(asked)
      }
    }),
    { numRuns: 40 },
  )
})

it('takes no more room than it may, however much a guest writes', async () => {
  const files = newFiles()
  const ring = new SerialRing({ files, directory, keepBytes })
  for (let round = 0; round < 40; round += 1) await ring.append(bytesFrom(0, 100_000))
  let held = 0
  for (const name of await files.list(directory))
    held += (await files.stat(`${directory}/${name}`))?.sizeBytes ?? 0
  expect(held).toBeGreaterThanOrEqual(keepBytes)
  expect(held).toBeLessThanOrEqual(keepBytes + segmentBytes)
})

it('is empty where nothing was written', async () => {
  const ring = new SerialRing({ files: newFiles(), directory })
  expect(await ring.read(-100n, 100)).toEqual({ start: 0n, next: 0n, bytes: Buffer.alloc(0) })
})

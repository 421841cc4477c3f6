import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseQcow2Header, parseVirtualBytes } from '../../../../agent/drivers/disk/qcow2-header.ts'
import { qcow2Header } from './image-bytes.ts'

const gibibyte = 1024 ** 3
const fileBytes = 200_000

describe('a qcow2 header', () => {
  it.each([2, 3])('of version %i that is plain is accepted', (version) => {
    const header = qcow2Header({ version, virtualBytes: 10n * BigInt(gibibyte) })
    expect(parseQcow2Header(header, fileBytes)).toEqual({ kind: 'accepted', virtualBytes: 10 * gibibyte })
  })

  it('may use zstd and extended L2 entries', () => {
    expect(parseQcow2Header(qcow2Header({ incompatible: 0b11000n }), fileBytes)).toMatchObject({
      kind: 'accepted',
    })
  })

  it.each([
    ['a backing file', qcow2Header({ backingOffset: 0x200n }), /backing file/],
    ['only the length of a backing name', qcow2Header({ backingLength: 5 }), /backing file/],
    ['an external data file', qcow2Header({ incompatible: 0b100n }), /another file/],
    ['encryption', qcow2Header({ cryptMethod: 2 }), /encrypted/],
    ['internal snapshots', qcow2Header({ snapshots: 1 }), /snapshots/],
    ['the dirty bit', qcow2Header({ incompatible: 0b1n }), /not closed cleanly/],
    ['an unknown feature', qcow2Header({ incompatible: 1n << 40n }), /not known/],
    ['version 1', qcow2Header({ version: 1 }), /version 1/],
    ['no size', qcow2Header({ virtualBytes: 0n }), /no size/],
    ['more than 16 TiB', qcow2Header({ virtualBytes: 17n * 1024n ** 4n }), /16 TiB/],
    ['an absurd size', qcow2Header({ virtualBytes: 2n ** 64n - 1n }), /16 TiB/],
    ['clusters of 4 GiB', qcow2Header({ clusterBits: 32 }), /cluster size/],
    ['an end within itself', qcow2Header({}).slice(0, 80), /ends within/],
    ['tables behind its end', qcow2Header({ l1TableOffset: 199_993n }), /before its tables/],
    ['nothing', new Uint8Array(), /not a qcow2/],
    ['the name of VMDK', Buffer.from('KDMV'.padEnd(512)), /not a qcow2/],
  ])('with %s is refused', (_, bytes, because) => {
    const verdict = parseQcow2Header(bytes, fileBytes)
    expect(verdict.kind === 'refused' && verdict.because).toMatch(because)
  })

  it('never throws and never lets a reference pass, whatever the bytes', () => {
    const magic = fc.constant([0x51, 0x46, 0x49, 0xfb, 0, 0, 0])
    const plausible = fc.tuple(magic, fc.constantFrom(2, 3), fc.uint8Array({ maxLength: 300 }))
    const anyBytes = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      plausible.map(([start, version, rest]) => Uint8Array.from([...start, version, ...rest])),
      fc
        .record({ at: fc.nat(103), value: fc.nat(255), other: fc.nat(103), otherValue: fc.nat(255) })
        .map(({ at, value, other, otherValue }) => {
          const header = qcow2Header({})
          header[at] = value
          header[other] = otherValue
          return header
        }),
    )
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const verdict = parseQcow2Header(bytes, fileBytes)
        if (verdict.kind === 'refused') return verdict.because !== ''
        const namesBackingFile = bytes.slice(8, 20).some((byte) => byte !== 0)
        const namesDataFile = bytes[7] === 3 && ((bytes[79] ?? 0) & 0b100) !== 0
        return verdict.virtualBytes > 0 && !namesBackingFile && !namesDataFile
      }),
      { numRuns: 5000 },
    )
  })
})

describe('the size of a disk', () => {
  it('is read past a backing file', () => {
    const header = qcow2Header({ backingOffset: 0x200n, virtualBytes: 7n })
    expect(parseVirtualBytes(header)).toBe(7)
    expect(parseVirtualBytes(new Uint8Array(512))).toBeUndefined()
    expect(parseVirtualBytes(header.slice(0, 20))).toBeUndefined()
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { wholeCharactersLength } from '../../../scheduler/operations/read-serial.ts'

describe('wholeCharactersLength', () => {
  it('cuts a stream of text anywhere without breaking a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.nat(), (text, at) => {
        const bytes = new TextEncoder().encode(text)
        const head = bytes.subarray(0, at % (bytes.length + 1))
        const whole = wholeCharactersLength(head)
        expect(head.length - whole).toBeLessThan(4)
        const decode = (part: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(part)
        expect(decode(bytes.subarray(0, whole)) + decode(bytes.subarray(whole))).toBe(text)
      }),
    )
  })

  it('lets bytes pass that are no text', () => {
    expect(wholeCharactersLength(Uint8Array.of(0x80, 0x80, 0x80, 0x80))).toBe(4)
    expect(wholeCharactersLength(Uint8Array.of())).toBe(0)
  })
})

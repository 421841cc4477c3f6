import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseQuestion } from '../../../agent/metadata/document.ts'
import {
  attributeLimits,
  type GuestAttribute,
  putAttribute,
  readSlots,
} from '../../../agent/metadata/guest-attributes.ts'

const attribute = (key: string, value = ''): GuestAttribute => ({ namespace: 'app', key, value })
const contentOf = (sequence: number, attributes: readonly GuestAttribute[]) =>
  JSON.stringify({ sequence, attributes })

describe('the two slots', () => {
  it('are read as the newer of those that are whole, and the other is written next', () => {
    const [one, two] = [contentOf(1, [attribute('a')]), contentOf(2, [attribute('b')])]
    expect(readSlots(['', ''])).toEqual({ sequence: 0, attributes: [], free: 0 })
    expect(readSlots([one, ''])).toMatchObject({ sequence: 1, attributes: [{ key: 'a' }], free: 1 })
    expect(readSlots([one, two])).toMatchObject({ sequence: 2, attributes: [{ key: 'b' }], free: 0 })
    expect(readSlots([two, one])).toMatchObject({ sequence: 2, free: 1 })
    expect(readSlots([undefined, one])).toMatchObject({ sequence: 1, free: 0 })
  })

  it('keep what was there when a write breaks off anywhere', () => {
    const before = contentOf(7, [attribute('a', 'kept')])
    const after = contentOf(8, [attribute('a', 'new ☃')])
    for (let length = 0; length < after.length; length += 1) {
      expect(readSlots([before, after.slice(0, length)]).attributes, String(length)).toEqual([
        attribute('a', 'kept'),
      ])
    }
  })

  it('are nothing where they hold anything else', () => {
    const hostile = [
      ...['null', '[]', '{"sequence":1}', '{"sequence":0,"attributes":[]}', '\0\0'],
      contentOf(1, [{ ...attribute('a'), namespace: '../etc' }]),
      contentOf(
        1,
        Array.from({ length: 257 }, (_, index) => attribute(`k${index}`)),
      ),
    ]
    for (const content of hostile) expect(readSlots([content, content]).sequence, content).toBe(0)
  })
})

describe('putAttribute', () => {
  it('keeps each last value, and what it writes can be read', () => {
    const keys = fc.constantFrom('a', 'b', '__proto__', 'constructor')
    const changes = fc.array(
      fc.record({ key: keys, value: fc.option(fc.string({ unit: 'binary' }), { nil: undefined }) }),
    )
    fc.assert(
      fc.property(changes, (list) => {
        const model = new Map<string, string>()
        const slots: [string, string] = ['', '']
        for (const { key, value } of list) {
          const before = readSlots(slots)
          const putting = putAttribute(before, { namespace: 'app', key, value })
          if (putting.kind === 'refused') throw new Error(putting.sentence)
          slots[before.free] = putting.content
          if (value === undefined) model.delete(key)
          else model.set(key, value)
        }
        const held = readSlots(slots).attributes.map(({ key, value }) => [key, value] as const)
        expect(new Map(held)).toEqual(model)
        expect(held).toHaveLength(model.size)
      }),
    )
  })

  it('refuses more than there may be, however it is written', () => {
    const attributes = Array.from({ length: attributeLimits.count }, (_, index) => attribute(`k${index}`))
    const full = { sequence: 3, attributes, free: 0 } as const
    expect(putAttribute(full, attribute('more'))).toMatchObject({ kind: 'refused' })
    expect(putAttribute(full, attribute('k7', 'new'))).toMatchObject({ kind: 'content' })
    const empty = { sequence: 0, attributes: [], free: 0 } as const
    // A byte of this takes six.
    const costly = '\u0001'.repeat(attributeLimits.valueBytes)
    const first = putAttribute(empty, attribute('a', costly))
    if (first.kind === 'refused') throw new Error(first.sentence)
    const second = putAttribute(readSlots([first.content, '']), attribute('b', costly))
    expect(second).toMatchObject({ kind: 'refused', sentence: expect.stringContaining('262144 bytes') })
  })
})

describe('a change', () => {
  const header = { 'metadata-flavor': 'Google', host: 'metadata' }
  const parse = (method: string, path: string, headers: Record<string, string> = header) =>
    parseQuestion(method, `/computeMetadata/v1/instance/guest-attributes/${path}`, headers)

  it('names one attribute', () => {
    expect(parse('PUT', 'hostkeys/ssh-rsa?x=y')).toEqual({
      ...{ kind: 'attribute-change', verb: 'PUT', namespace: 'hostkeys', key: 'ssh-rsa' },
    })
    expect(parse('DELETE', 'a/b/')).toMatchObject({ verb: 'DELETE', namespace: 'a', key: 'b' })
    for (const path of ['', 'a', 'a/', 'a/b/c', 'a%2Fb/c', 'a/b%00', `a/${'k'.repeat(129)}`, 'a b/c']) {
      expect(parse('PUT', path), path).toMatchObject({ kind: 'refused', answer: { status: 400 } })
    }
  })

  it('comes from the guest itself, and touches nothing else', () => {
    expect(parse('PUT', 'a/b', {})).toMatchObject({ answer: { status: 403 } })
    const forwarded = { ...header, 'x-forwarded-for': '10.0.0.1' }
    expect(parse('DELETE', 'a/b', forwarded)).toMatchObject({ answer: { status: 403 } })
    expect(parse('POST', 'a/b')).toMatchObject({ answer: { status: 405 } })
    const other = parseQuestion('PUT', '/computeMetadata/v1/instance/attributes/a', header)
    expect(other).toMatchObject({ answer: { status: 405 } })
  })
})

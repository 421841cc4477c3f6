import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FilterError, parseFilter } from '../../../scheduler/api/parse-filter.ts'

const id = (value: string) => ({
  ...{ kind: 'compare', field: { kind: 'text', name: 'id' }, by: '=', value },
})

describe('parseFilter', () => {
  it('reads fields, signs and values', () => {
    expect(parseFilter('lifecycle.status=RUNNING AND labels.team:ml')).toEqual({
      kind: 'and',
      parts: [
        { kind: 'compare', field: { kind: 'text', name: 'status' }, by: '=', value: 'RUNNING' },
        { kind: 'compare', field: { kind: 'label', key: 'team' }, by: '=', value: 'ml' },
      ],
    })
    expect(parseFilter('createdAt>"2026-11-01T00:00:00Z"')).toEqual({
      ...{ kind: 'compare', field: { kind: 'time', name: 'createdAt' }, by: '>' },
      value: String(Date.UTC(2026, 10, 1)),
    })
    expect(parseFilter('displayName="a \\"b\\" c"')).toMatchObject({ value: 'a "b" c' })
    expect(parseFilter('labels:team')).toEqual({ kind: 'has', field: { kind: 'label', key: 'team' } })
    expect(parseFilter('labels.team:*')).toEqual({ kind: 'has', field: { kind: 'label', key: 'team' } })
  })

  it('binds OR closer than AND, as AIP-160 has it, and takes a blank for AND', () => {
    const or = { kind: 'or', parts: [id('b'), id('c')] }
    expect(parseFilter('id=a AND id=b OR id=c')).toEqual({ kind: 'and', parts: [id('a'), or] })
    expect(parseFilter('id=a id=b OR id=c')).toEqual({ kind: 'and', parts: [id('a'), or] })
    expect(parseFilter('(id=a AND NOT id=b) OR -id=c')).toEqual({
      kind: 'or',
      parts: [
        { kind: 'and', parts: [id('a'), { kind: 'not', part: id('b') }] },
        { kind: 'not', part: id('c') },
      ],
    })
  })

  it.each([
    ['id', /After "id"/],
    ['id=', /with nothing/],
    ['=a', /needs a field/],
    ['id=a)', /nothing more/],
    ['(id=a', /not closed/],
    ['id=a AND', /at its end/],
    ['color=red', /no field "color"; there is/],
    ['id>a', /can only be compared with =/],
    ['createdAt>yesterday', /no time/],
    ['lifecycle.status=RUNING', /no status "RUNING"; there is PENDING, .*RUNNING/],
    ['status:running', /no status/],
    ['id="a', /can't be read/],
    [Array.from({ length: 60 }, () => 'id=a').join(' '), /at most 50/],
  ])('says what is wrong with %s', (text, sentence) => {
    expect(() => parseFilter(text)).toThrow(FilterError)
    expect(() => parseFilter(text)).toThrow(sentence)
  })

  it('reads any text or says what is wrong with it', () => {
    const piece = fc.constantFrom(
      'id',
      '=',
      ':',
      '(',
      ')',
      'AND',
      'OR',
      'NOT',
      '-',
      '"',
      'labels.a',
      ' ',
      '\\',
      '>',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((parts) => parts.join('')),
        ),
        (text) => {
          try {
            parseFilter(text)
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(FilterError)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })
})

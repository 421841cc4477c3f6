import { describe, expect, it } from 'vitest'
import {
  findMeant,
  parsePointer,
  renderField,
  renderShapeProblems,
} from '../../../scheduler/api/shape-problems.ts'

describe('findMeant', () => {
  const known = ['sizeGb', 'displayName', 'hostname', 'id', 'gpus', 'disks']
  it.each([
    ['size_gb', 'sizeGb'],
    ['sizeGB', 'sizeGb'],
    ['displayname', 'displayName'],
    ['hostName', 'hostname'],
    ['gpu', 'gpus'],
    ['disk', 'disks'],
  ])('%s is %s', (written, meant) => {
    expect(findMeant(written, known)).toBe(meant)
  })

  it('makes no guess about words that are far off', () => {
    expect(findMeant('tags', known)).toBeUndefined()
    expect(findMeant('x'.repeat(100_000), known)).toBeUndefined()
  })
})

describe('renderField', () => {
  it('writes a pointer as the documents do', () => {
    expect(renderField(parsePointer('/disks/0/sizeGb'))).toBe('disks[0].sizeGb')
    expect(renderField(parsePointer('/labels/a~1b'))).toBe('labels.a/b')
    expect(renderField(parsePointer(''))).toBe('')
  })
})

describe('renderShapeProblems', () => {
  it('names each type that is possible', () => {
    const [found] = renderShapeProblems([
      { keyword: 'type', instancePath: '/labels/a', params: { type: ['string', 'null'] } },
    ])
    expect(found?.message).toBe('"labels.a" must be a string or null.')
  })
})

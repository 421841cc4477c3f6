import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { CreateImage } from '../../../scheduler/admission/resource-requests.ts'
import {
  findMeant,
  parsePointer,
  renderField,
  renderShapeProblems,
  type ShapeFinding,
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
  it.each([
    [{ id: 'Ubuntu_24' }, 'digits, hyphens and dots'],
    [{ sha256: 'zz' }, 'must be 64 lower-case hexadecimal digits.'],
    [{ description: 'a\u0000b' }, 'must have no control characters'],
  ])('says of %j what is right', (part, sentence) => {
    const image = { id: 'ubuntu', sha256: 'a'.repeat(64), format: 'raw', sizeGb: 1, ...part }
    const isValid = new Ajv2020({ strict: false, verbose: true }).compile(CreateImage)
    expect(isValid(image)).toBe(false)
    expect(renderShapeProblems((isValid.errors ?? []) as ShapeFinding[])[0]?.message).toContain(sentence)
  })

  it('names each type that is possible', () => {
    const [found] = renderShapeProblems([
      { keyword: 'type', instancePath: '/labels/a', params: { type: ['string', 'null'] } },
    ])
    expect(found?.message).toBe('"labels.a" must be a string or null.')
  })
})

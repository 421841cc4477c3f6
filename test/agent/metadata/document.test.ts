import { describe, expect, it } from 'vitest'
import { answerWith, parseDocument, parseQuestion } from '../../../agent/metadata/document.ts'

const document = {
  instanceUid: '0192a5b0-0000-7000-8000-000000000001',
  gce: {},
  nocloud: { 'meta-data': 'instance-id: a\n', 'user-data': '', 'vendor-data': 'v', 'network-config': 'n' },
}

describe('parseQuestion', () => {
  it.each(['/meta-data', '//meta-data', '/meta-data?x=1', '/meta-data#x'])('knows %s', (target) => {
    expect(parseQuestion('GET', target, {})).toEqual({ kind: 'document', name: 'meta-data' })
  })

  it.each(['//', '/meta-data/', '/meta-data/../user-data', '/__proto__', '/latest', '*', ''])(
    'refuses %s',
    (target) => {
      expect(parseQuestion('GET', target, {})).toMatchObject({ kind: 'refused', answer: { status: 404 } })
    },
  )

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('refuses %s', (method) => {
    expect(parseQuestion(method, '/meta-data', {})).toMatchObject({
      kind: 'refused',
      answer: { status: 405, headers: { allow: 'GET, HEAD' } },
    })
  })
})

describe('answerWith', () => {
  it('gives an unused document as an empty one', () => {
    expect(answerWith(document, 'user-data')).toMatchObject({ status: 200, body: '' })
    expect(answerWith(document, 'meta-data')).toMatchObject({ status: 200, body: 'instance-id: a\n' })
  })

  it('asks a guest without a document to come again', () => {
    expect(answerWith(undefined, 'meta-data')).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
  })
})

describe('parseDocument', () => {
  it('reads what the agent writes', () => {
    expect(parseDocument(JSON.stringify(document))).toEqual(document)
  })

  it.each(['', '{}', '{"instanceUid":"a","nocloud":{"meta-data":1}}'])('refuses %j', (text) => {
    expect(() => parseDocument(text)).toThrow()
  })
})

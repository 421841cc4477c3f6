import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { MetadataDocument } from '../drivers/metadata/port.ts'

const documentSchema = Type.Object({
  instanceUid: Type.String(),
  nocloud: Type.Object({
    'meta-data': Type.String(),
    'user-data': Type.String(),
    'vendor-data': Type.String(),
    'network-config': Type.String(),
  }),
})

export type DocumentName = keyof MetadataDocument['nocloud']

const documentNames: ReadonlySet<string> = new Set<DocumentName>([
  'meta-data',
  'user-data',
  'vendor-data',
  'network-config',
])

export interface Answer {
  readonly status: 200 | 404 | 405 | 503
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export type Question =
  | { readonly kind: 'document'; readonly name: DocumentName }
  /** Answered without looking at who asks. */
  | { readonly kind: 'refused'; readonly answer: Answer }

/** @throws for anything that is no document. */
export function parseDocument(text: string): MetadataDocument {
  return Value.Parse(documentSchema, JSON.parse(text))
}

/** What a guest asks for, by method and request target. A seed URL with a path of slashes only is the same seed. */
export function parseQuestion(method: string, target: string): Question {
  if (method !== 'GET' && method !== 'HEAD') {
    return refuse(405, 'Only GET and HEAD are answered here.\n', { allow: 'GET, HEAD' })
  }
  const name = target.replace(/[?#].*$/s, '').replace(/^\/+/, '')
  if (isDocumentName(name)) return { kind: 'document', name }
  return refuse(404, 'There is no such document.\n')
}

/** 503 with a moment to wait is what cloud-init repeats without counting; a guest's document may be on its way. */
export function answerWith(document: MetadataDocument | undefined, name: DocumentName): Answer {
  if (!document) return notReady('The metadata of this instance is not ready yet.\n')
  // An unused document is there and empty: cloud-init retries each 404 for ten seconds.
  return { status: 200, headers: plain, body: document.nocloud[name] }
}

export function notReady(body: string): Answer {
  return { status: 503, headers: { ...plain, 'retry-after': '1' }, body }
}

const plain = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }

const refuse = (
  status: 404 | 405,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Question => ({
  kind: 'refused',
  answer: { status, headers: { ...plain, ...headers }, body },
})

const isDocumentName = (name: string): name is DocumentName => documentNames.has(name)

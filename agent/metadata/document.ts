import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { GceTree } from '../plan/gce-tree.ts'
import { type Answer, answerPlainly, notReady } from './answer.ts'
import { answerRoot, type GceQuestion, parseGceQuestion } from './gce-question.ts'

const documentSchema = Type.Object({
  instanceUid: Type.String(),
  nocloud: Type.Object({
    'meta-data': Type.String(),
    'user-data': Type.String(),
    'vendor-data': Type.String(),
    'network-config': Type.String(),
  }),
  // Only the agent writes it, and what reads it looks at each part.
  gce: Type.Unsafe<GceTree>(Type.Object({})),
})

export type Document = ReturnType<typeof parseDocument>
export type DocumentName = keyof Document['nocloud']

const documentNames: ReadonlySet<string> = new Set<DocumentName>([
  'meta-data',
  'user-data',
  'vendor-data',
  'network-config',
])

export type Question =
  | { readonly kind: 'document'; readonly name: DocumentName }
  | GceQuestion
  /** Answered without looking at who asks. */
  | { readonly kind: 'refused'; readonly answer: Answer }

/** @throws for anything that is no document. */
export function parseDocument(text: string) {
  return Value.Parse(documentSchema, JSON.parse(text))
}

/** Names in lower case, as Node has them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** What a guest asks for, by method and request target. A seed URL with a path of slashes only is the same seed. */
export function parseQuestion(method: string, target: string, headers: Headers): Question {
  if (method !== 'GET' && method !== 'HEAD') {
    const answer = answerPlainly(405, 'Only GET and HEAD are answered here.\n', { allow: 'GET, HEAD' })
    return { kind: 'refused', answer }
  }
  if (target === '/') return { kind: 'refused', answer: answerRoot }
  const name = target.replace(/[?#].*$/s, '').replace(/^\/+/, '')
  if (isDocumentName(name)) return { kind: 'document', name }
  if (/^computeMetadata(\/|$)/.test(name)) return parseGceQuestion(target, headers)
  return { kind: 'refused', answer: answerPlainly(404, 'There is no such document.\n') }
}

export function answerWith(document: Document | undefined, name: DocumentName): Answer {
  if (!document) return notReady('The metadata of this instance is not ready yet.\n')
  // An unused document is there and empty: cloud-init retries each 404 for ten seconds.
  return answerPlainly(200, document.nocloud[name])
}

const isDocumentName = (name: string): name is DocumentName => documentNames.has(name)

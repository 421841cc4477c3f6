import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Ec2Tree } from '../plan/ec2-tree.ts'
import type { GceTree } from '../plan/gce-tree.ts'
import type { IdentityClaims } from '../plan/identity-claims.ts'
import { type Answer, answerPlainly, notReady } from './answer.ts'
import {
  type Ec2Question,
  isEc2Path,
  parseEc2Question,
  parseEc2TokenQuestion,
  tokenPath,
} from './ec2-question.ts'
import { answerRoot, type GceQuestion, parseGceQuestion } from './gce-question.ts'
import { type AttributeChange, isAttributePath, parseAttributeChange } from './guest-attribute-change.ts'
import type { IdentityQuestion } from './identity-question.ts'
import { isOpenstackPath, type OpenstackQuestion, parseOpenstackQuestion } from './openstack.ts'

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
  // An agent of an earlier version wrote none of these.
  flavour: Type.Optional(Type.Enum(['NOCLOUD', 'GCE', 'EC2', 'OPENSTACK'])),
  ec2: Type.Optional(Type.Unsafe<Ec2Tree>(Type.Object({}))),
  openstack: Type.Optional(Type.Record(Type.String(), Type.String())),
  identity: Type.Optional(Type.Unsafe<IdentityClaims>(Type.Object({}))),
  attributeSlots: Type.Optional(Type.Tuple([Type.String(), Type.String()])),
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
  | IdentityQuestion
  | AttributeChange
  | Ec2Question
  | OpenstackQuestion
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
  const name = target.replace(/[?#].*$/s, '').replace(/^\/+/, '')
  if ((method === 'PUT' || method === 'DELETE') && isAttributePath(name)) {
    return parseAttributeChange(method, name, headers)
  }
  const isTokens = `/${name}` === tokenPath
  if (isTokens && method === 'PUT') return parseEc2TokenQuestion(headers)
  if (isTokens || (method !== 'GET' && method !== 'HEAD')) {
    const allow = isTokens ? 'PUT' : 'GET, HEAD'
    const answer = answerPlainly(405, `Only ${allow} is answered here.\n`, { allow })
    return { kind: 'refused', answer }
  }
  if (target === '/') return { kind: 'refused', answer: answerRoot }
  if (isDocumentName(name)) return { kind: 'document', name }
  if (/^computeMetadata(\/|$)/.test(name)) return parseGceQuestion(target, headers)
  if (isEc2Path(name)) return parseEc2Question(name, headers)
  if (isOpenstackPath(name)) return parseOpenstackQuestion(name)
  return { kind: 'refused', answer: answerPlainly(404, 'There is no such document.\n') }
}

export function answerWith(document: Document | undefined, name: DocumentName): Answer {
  if (!document) return notReady('The metadata of this instance is not ready yet.\n')
  // An unused document is there and empty: cloud-init retries each 404 for ten seconds.
  return answerPlainly(200, document.nocloud[name])
}

const isDocumentName = (name: string): name is DocumentName => documentNames.has(name)

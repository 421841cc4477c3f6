import type { IncomingMessage } from 'node:http'
import type { GceTree } from '../plan/gce-tree.ts'
import { type Answer, notReady } from './answer.ts'
import type { AttributeStore } from './attribute-store.ts'
import type { Document } from './document.ts'
import { answerGce } from './gce-answer.ts'
import type { GceQuestion } from './gce-question.ts'
import { gceText } from './gce-text.ts'
import { type AttributeChange, attributesPath } from './guest-attribute-change.ts'
import { attributeLimits, type GuestAttribute } from './guest-attributes.ts'

export const asksForAttributes = ({ path }: GceQuestion): boolean =>
  attributesPath.every((name, index) => path[index] === name)

/** They are not in the tree of the instance: to read them costs more than all of it. */
export async function answerAttributes(
  question: GceQuestion,
  document: Document | undefined,
  attributes: AttributeStore,
): Promise<Answer> {
  if (document === undefined) return notThereYet
  if (document.attributeSlots === undefined) return notEnabled
  const tree = treeOf(await attributes.read(document.attributeSlots))
  return answerGce({ instance: { 'guest-attributes': tree } }, question)
}

export async function changeAttribute(
  { verb, namespace, key }: AttributeChange,
  document: Document | undefined,
  { attributes, request }: { attributes: AttributeStore; request: IncomingMessage },
): Promise<Answer> {
  if (document === undefined) return notThereYet
  if (document.attributeSlots === undefined) return notEnabled
  const body = verb === 'PUT' ? await readValue(request) : { kind: 'value' as const, value: undefined }
  if (body.kind === 'refused') return body.answer
  const refusal = await attributes.put(document.attributeSlots, { namespace, key, value: body.value })
  return refusal === undefined ? gceText(200, '') : gceText(400, `${refusal}\n`)
}

const notThereYet = notReady('The metadata of this instance is not ready yet.\n')
const notEnabled = gceText(
  403,
  'Guest attributes are not enabled: set enable-guest-attributes to TRUE in the instanceMetadata of this instance.\n',
)

type Value =
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'refused'; readonly answer: Answer }

/** Text of the body. No more of it is taken than a value may have. */
async function readValue(request: IncomingMessage): Promise<Value> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    // One that is left early stays open, for the answer.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > attributeLimits.valueBytes) return { kind: 'refused', answer: tooLong }
      chunks.push(chunk)
    }
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    return { kind: 'value', value: decoder.decode(Buffer.concat(chunks)) }
  } catch {
    // Or the guest has gone before the end, and reads no answer.
    return {
      kind: 'refused',
      answer: gceText(400, 'A guest attribute is text in UTF-8: encode other bytes.\n'),
    }
  }
}

const refusedLength = gceText(413, `A guest attribute has at most ${attributeLimits.valueBytes} bytes.\n`)
/** What is left of the body is not waited for. */
const tooLong: Answer = { ...refusedLength, headers: { ...refusedLength.headers, connection: 'close' } }

/** Namespaces and keys in alphabetical order. */
function treeOf(attributes: readonly GuestAttribute[]): GceTree {
  const sorted = attributes.toSorted((a, b) =>
    `${a.namespace}/${a.key}` < `${b.namespace}/${b.key}` ? -1 : 1,
  )
  const byNamespace = Map.groupBy(sorted, ({ namespace }) => namespace)
  return Object.fromEntries(
    [...byNamespace].map(([namespace, own]) => [
      namespace,
      Object.fromEntries(own.map(({ key, value }) => [key, value])),
    ]),
  )
}

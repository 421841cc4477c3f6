// What a guest changes of its attributes, as Google's metadata server understands it. Pure.
import type { Answer } from './answer.ts'
import type { Headers } from './document.ts'
import { decoded, refuseStranger } from './gce-question.ts'
import { gceText } from './gce-text.ts'

export interface AttributeChange {
  readonly kind: 'attribute-change'
  readonly verb: 'PUT' | 'DELETE'
  readonly namespace: string
  readonly key: string
}

/** Below computeMetadata/v1. */
export const attributesPath = ['instance', 'guest-attributes'] as const

export const isAttributePath = (name: string): boolean =>
  /^computeMetadata\/v1\/instance\/guest-attributes(\/|$)/.test(name)

export function parseAttributeChange(
  verb: AttributeChange['verb'],
  name: string,
  headers: Headers,
): AttributeChange | { readonly kind: 'refused'; readonly answer: Answer } {
  const refusal = refuseStranger(headers)
  if (refusal !== undefined) return { kind: 'refused', answer: refusal }
  const parts = name.split('/').filter((part) => part !== '')
  const [namespace = '', key = '', ...more] = parts.slice(4).map(decoded)
  if (more.length === 0 && [namespace, key].every((part) => /^[A-Za-z0-9_.-]{1,128}$/.test(part))) {
    return { kind: 'attribute-change', verb, namespace, key }
  }
  const sentence = `${verb} is for guest-attributes/NAMESPACE/KEY, each of 1 to 128 letters, digits, "_", "-" and ".".\n`
  return { kind: 'refused', answer: gceText(400, sentence) }
}

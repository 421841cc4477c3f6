import { type Refusal, refuse } from '../errors.ts'

/** A refusal on its way through the HTTP framework to the one place that answers refusals. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

/** JSON in which every key counts: one given twice, or one that reaches prototypes, is refused. */
export function parseJsonBody(text: string): unknown {
  if (text.trim() === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (thrown) {
    const detail = thrown instanceof Error ? thrown.message : 'it can not be read'
    throw new RefusedError(refuse('MALFORMED_JSON', { detail: withoutContent(detail) }))
  }
  const key = findRefusedKey(text)
  if (key?.kind === 'twice') throw new RefusedError(refuse('DUPLICATE_KEY', { key: key.name }))
  if (key?.kind === 'prototype') throw new RefusedError(refuse('UNKNOWN_FIELD', { name: key.name }, key.name))
  return value
}

/** The engine quotes what it was given, which may be a secret: only the place is kept. */
const withoutContent = (detail: string): string =>
  /position \d+( \(line \d+ column \d+\))?/.exec(detail)?.[0].replace(/^/, 'the trouble is at ') ??
  'it ends too early or is not JSON at all'

type RefusedKey = { readonly kind: 'twice' | 'prototype'; readonly name: string } | undefined

/** Walks the tokens of a text that is known to be JSON: a string before a colon is a key. */
function findRefusedKey(text: string): RefusedKey {
  const open: Set<string>[] = []
  let lastString = ''
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}:]/g)) {
    if (token === '{') open.push(new Set())
    else if (token === '}') open.pop()
    else if (token !== ':') lastString = token
    else {
      const name = JSON.parse(lastString) as string
      const keys = open.at(-1)
      if (name === '__proto__') return { kind: 'prototype', name }
      if (keys?.has(name)) return { kind: 'twice', name }
      keys?.add(name)
    }
  }
  return undefined
}

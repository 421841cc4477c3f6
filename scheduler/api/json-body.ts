import { type Refusal, refuse } from '../errors.ts'
import { renderField } from './shape-problems.ts'

/** A refusal on its way through the HTTP framework to the one place that answers refusals. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

/** Nothing that anybody asks for is half as deep, and what looks at bodies may call itself. */
const maximumDepth = 32

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
  const refused = findRefused(text)
  if (refused !== undefined) throw new RefusedError(refusalOf(refused))
  return value
}

function refusalOf({ kind, path }: Refused): Refusal {
  const field = renderField(path)
  const name = path.at(-1) ?? ''
  switch (kind) {
    case 'twice':
      return refuse('DUPLICATE_KEY', { key: name }, field)
    case 'prototype':
      return refuse('UNKNOWN_FIELD', { name }, field)
    case 'deep':
      return refuse(
        'INVALID_VALUE',
        { message: `The body has more than ${maximumDepth} objects and lists inside one another.` },
        renderField(path.slice(0, 1)),
      )
  }
}

/** The engine quotes what it was given, which may be a secret: only the place is kept. */
const withoutContent = (detail: string): string =>
  /position \d+( \(line \d+ column \d+\))?/.exec(detail)?.[0].replace(/^/, 'the trouble is at ') ??
  'it ends too early or is not JSON at all'

interface Refused {
  readonly kind: 'twice' | 'prototype' | 'deep'
  readonly path: readonly string[]
}

/** An object with the keys that it had so far, or a list; and where in it the walk is. */
interface Open {
  readonly keys?: Set<string>
  at: string
}

/** Walks the tokens of a text that is known to be JSON: a string before a colon is a key. */
function findRefused(text: string): Refused | undefined {
  const open: Open[] = []
  const path = () => open.map(({ at }) => at)
  let lastString = ''
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]/g)) {
    const inside = open.at(-1)
    if (token === '{' || token === '[') {
      if (open.length === maximumDepth) return { kind: 'deep', path: path() }
      open.push(token === '{' ? { keys: new Set(), at: '' } : { at: '0' })
    } else if (token === '}' || token === ']') open.pop()
    else if (token === ',') {
      if (inside !== undefined && inside.keys === undefined) inside.at = String(Number(inside.at) + 1)
    } else if (token !== ':') lastString = token
    else if (inside?.keys !== undefined) {
      inside.at = JSON.parse(lastString) as string
      if (inside.at === '__proto__') return { kind: 'prototype', path: path() }
      if (inside.keys.has(inside.at)) return { kind: 'twice', path: path() }
      inside.keys.add(inside.at)
    }
  }
  return undefined
}

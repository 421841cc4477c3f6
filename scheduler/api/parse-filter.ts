// `filter` of a list, from text to what the store can look for: a subset of AIP-160.
//
//   lifecycle.status=RUNNING AND labels.team:ml AND createdAt>"2026-11-01T00:00:00Z"
//
// AND, OR (which binds closer), NOT or -, parentheses; = != < <= > >= and : (has). An asterisk at the end of a value
// stands for anything.
import { instanceStatuses } from '../../proto/instance-state.ts'
import type { Comparison, Filter, FilterField } from '../model/filter.ts'

/** What is wrong with a filter, as a sentence. */
export class FilterError extends Error {
  override readonly name = 'FilterError'
}

type Token = { readonly kind: 'word' | 'text' | 'sign'; readonly text: string; readonly at: number }

const pattern = /\s*(?:"((?:[^"\\]|\\.)*)"|(!=|<=|>=|[=<>:()]|-(?=[A-Za-z(]))|([^\s"=<>:()!]+))/y
const maximumParts = 50

/** @throws FilterError */
export function parseFilter(text: string): Filter {
  const reader = new Reader(tokenize(text))
  const filter = readAnd(reader)
  reader.expectEnd()
  return filter
}

function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = []
  const end = text.trimEnd().length
  for (pattern.lastIndex = 0; pattern.lastIndex < end; ) {
    const at = pattern.lastIndex
    const match = pattern.exec(text)
    if (match === null)
      throw new FilterError(`The filter can't be read from ${JSON.stringify(text.slice(at, at + 20))} on.`)
    const [, quoted, sign, word] = match
    if (quoted !== undefined) tokens.push({ kind: 'text', text: quoted.replaceAll(/\\(.)/g, '$1'), at })
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign, at })
    else tokens.push({ kind: 'word', text: word ?? '', at })
  }
  return tokens
}

class Reader {
  readonly #tokens: readonly Token[]
  #next = 0
  #parts = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  peek(): Token | undefined {
    return this.#tokens[this.#next]
  }

  take(): Token | undefined {
    this.#next += 1
    return this.#tokens[this.#next - 1]
  }

  takeIf(kind: Token['kind'], text: string): boolean {
    const token = this.peek()
    if (token?.kind !== kind || token.text !== text) return false
    this.#next += 1
    return true
  }

  countPart(): void {
    this.#parts += 1
    if (this.#parts > maximumParts) throw new FilterError(`A filter has at most ${maximumParts} comparisons.`)
  }

  expectEnd(): void {
    const token = this.peek()
    if (token !== undefined)
      throw new FilterError(`The filter has "${token.text}" where nothing more is expected.`)
  }
}

const isEnd = (token: Token | undefined) =>
  token === undefined || (token.kind === 'sign' && token.text === ')')

function readAnd(reader: Reader): Filter {
  const parts = [readOr(reader)]
  while (!isEnd(reader.peek())) {
    reader.takeIf('word', 'AND')
    parts.push(readOr(reader))
  }
  return parts.length === 1 && parts[0] ? parts[0] : { kind: 'and', parts }
}

function readOr(reader: Reader): Filter {
  const parts = [readTerm(reader)]
  while (reader.takeIf('word', 'OR')) parts.push(readTerm(reader))
  return parts.length === 1 && parts[0] ? parts[0] : { kind: 'or', parts }
}

function readTerm(reader: Reader): Filter {
  reader.countPart()
  if (reader.takeIf('word', 'NOT') || reader.takeIf('sign', '-')) {
    return { kind: 'not', part: readTerm(reader) }
  }
  if (!reader.takeIf('sign', '(')) return readComparison(reader)
  const inside = readAnd(reader)
  if (!reader.takeIf('sign', ')')) throw new FilterError('The filter has a parenthesis that is not closed.')
  return inside
}

function readComparison(reader: Reader): Filter {
  const name = reader.take()
  if (name?.kind !== 'word')
    throw new FilterError(
      `The filter needs a field ${name === undefined ? 'at its end' : `where "${name.text}" stands`}.`,
    )
  const sign = reader.take()
  if (sign?.kind !== 'sign' || !/^(!?=|[<>]=?|:)$/.test(sign.text)) {
    throw new FilterError(`After "${name.text}" the filter needs one of = != < <= > >= or ":".`)
  }
  const value = reader.take()
  if (value === undefined || value.kind === 'sign') {
    throw new FilterError(
      `The filter compares "${name.text}" with nothing: write a value, in quotes if it has spaces.`,
    )
  }
  return compare(name.text, sign.text, value.text)
}

function compare(name: string, sign: string, value: string): Filter {
  if (name === 'labels' && sign === ':') return { kind: 'has', field: { kind: 'label', key: value } }
  const field = fieldOf(name)
  if (sign === ':' && value === '*') return { kind: 'has', field }
  const by = (sign === ':' ? '=' : sign) as Comparison
  if (field.kind !== 'time') {
    if (field.kind === 'text' && field.name === 'status') expectStatus(value)
    if (by !== '=' && by !== '!=') throw new FilterError(`"${name}" can only be compared with =, != and ":".`)
    return { kind: 'compare', field, by, value }
  }
  const unixMs = Date.parse(value)
  if (!/^\d{4}-\d\d-\d\d/.test(value) || Number.isNaN(unixMs)) {
    throw new FilterError(`"${value}" is no time: write one like "2026-11-01T00:00:00Z", with its quotes.`)
  }
  return { kind: 'compare', field, by, value: String(unixMs) }
}

/** One that no instance can have finds nothing and hides the mistake. */
function expectStatus(value: string): void {
  const known: readonly string[] = instanceStatuses
  if (known.includes(value) || value.endsWith('*')) return
  throw new FilterError(`There is no status "${value}"; there is ${known.join(', ')}.`)
}

const names = new Map<string, FilterField>([
  ...(['id', 'type', 'hostname', 'displayName'] as const).map(
    (name) => [name, { kind: 'text', name }] as const,
  ),
  ['status', { kind: 'text', name: 'status' }],
  ['lifecycle.status', { kind: 'text', name: 'status' }],
  ['createdAt', { kind: 'time', name: 'createdAt' }],
  ['updatedAt', { kind: 'time', name: 'updatedAt' }],
])

function fieldOf(name: string): FilterField {
  const known = names.get(name)
  if (known) return known
  if (name.startsWith('labels.') && name.length > 7) return { kind: 'label', key: name.slice(7) }
  throw new FilterError(
    `A filter knows no field "${name}"; there is ${[...names.keys()].join(', ')} and labels.KEY.`,
  )
}

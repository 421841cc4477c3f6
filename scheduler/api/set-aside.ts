// The rest of a body whose misshapen parts are set aside, so that admission can say what else is wrong with it. In: the
// body and the paths that can't be read. Out: a body of the right shape where that is possible, and which problems
// speak of what the client wrote.
import type { Problem } from '../errors.ts'
import { renderField } from './shape-problems.ts'

type Path = readonly string[]

/** What stands in for an entry that can't be read: an entry can't leave a list without moving the others. */
const standIns: Readonly<Record<string, (index: string) => unknown>> = {
  disks: () => ({}),
  nics: () => ({}),
  gpus: () => ({ type: '-', count: 1 }),
  instanceMetadata: (index) => ({ key: `set-aside-${index}`, value: '' }),
}

export interface Remainder {
  readonly body: unknown
  /** Whether a problem found in the remainder is one of the request, not of what stands in for a part of it. */
  readonly isOfRequest: (found: Problem) => boolean
}

export function setAside(body: unknown, misshapen: readonly Path[]): Remainder {
  const aside = misshapen.map(wholeEntry)
  const copy: unknown = structuredClone(body)
  for (const path of aside) replace(copy, path)
  const fields = aside.map(renderField)
  return {
    body: copy,
    isOfRequest: ({ field }) =>
      field !== undefined && !fields.some((other) => isWithin(field, other) || isWithin(other, field)),
  }
}

/** A GPU or a metadata item without one of its parts is none; a disk or NIC is readable without. */
const wholeEntry = (path: Path): Path =>
  path[0] === 'gpus' || path[0] === 'instanceMetadata' ? path.slice(0, 2) : path

function replace(body: unknown, path: Path): void {
  const parent = path.slice(0, -1).reduce<unknown>(childOf, body)
  if (typeof parent !== 'object' || parent === null) return
  const [first = '', index = ''] = path
  const standIn = standIns[first]
  if (path.length === 1 && first === 'type') Reflect.set(parent, 'type', '-')
  else if (path.length === 2 && standIn !== undefined && Array.isArray(parent))
    Reflect.set(parent, index, standIn(index))
  else Reflect.deleteProperty(parent, path.at(-1) ?? '')
}

const childOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined

/** In, below or above. */
const isWithin = (inner: string, outer: string): boolean =>
  inner.startsWith(outer) && (inner.length === outer.length || /[.[]/.test(inner.charAt(outer.length)))

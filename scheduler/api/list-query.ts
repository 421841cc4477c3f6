// `filter`, `orderBy` and `pageToken` of a list, from text to values; and the token of the next page.
import { createHash } from 'node:crypto'
import { type Static, Type } from 'typebox'
import { instanceUid } from '../../proto/ids.ts'
import { refuse } from '../errors.ts'
import { type Filter, type Order, orderFields, type PageStart } from '../model/filter.ts'
import { RefusedError } from './json-body.ts'
import { parsePageSize } from './parameters.ts'
import { FilterError, parseFilter } from './parse-filter.ts'

export const ListQuery = Type.Object(
  {
    pageSize: Type.Optional(Type.String({ description: '1 to 500; 50 where absent.' })),
    pageToken: Type.Optional(Type.String({ description: 'nextPageToken of the page before.' })),
    filter: Type.Optional(
      Type.String({
        maxLength: 2048,
        description: 'lifecycle.status=RUNNING AND labels.team:ml AND createdAt>"2026-11-01T00:00:00Z"',
      }),
    ),
    orderBy: Type.Optional(
      Type.String({ description: 'createdAt, updatedAt or id, each with or without desc behind it.' }),
    ),
    watch: Type.Optional(
      Type.String({ description: 'true: a stream of server-sent events instead of a list.' }),
    ),
  },
  { additionalProperties: false },
)
export type ListQuery = Static<typeof ListQuery>

export interface ParsedList {
  readonly pageSize: number
  readonly filter?: Filter
  readonly order?: Order
  readonly after?: PageStart
}

const invalid = (field: string, message: string) =>
  new RefusedError(refuse('INVALID_VALUE', { message }, field))

export function parseListQuery(query: ListQuery): ParsedList {
  const after = query.pageToken === undefined ? undefined : parseToken(query.pageToken, query)
  return {
    pageSize: parsePageSize(query.pageSize),
    ...(query.filter === undefined || query.filter.trim() === '' ? {} : { filter: readFilter(query.filter) }),
    ...(query.orderBy === undefined ? {} : { order: parseOrder(query.orderBy) }),
    ...(after === undefined ? {} : { after }),
  }
}

function readFilter(text: string): Filter {
  try {
    return parseFilter(text)
  } catch (thrown) {
    if (thrown instanceof FilterError) throw invalid('filter', thrown.message)
    throw thrown
  }
}

function parseOrder(text: string): Order {
  const [, name, direction] = /^\s*(\w+)(?:\s+(asc|desc))?\s*$/.exec(text) ?? []
  const field = orderFields.find((candidate) => candidate === name)
  if (field !== undefined) return { field, isDescending: direction === 'desc' }
  throw invalid(
    'orderBy',
    `orderBy must be one of ${orderFields.join(', ')}, with or without desc behind it.`,
  )
}

/** A token belongs to its filter and order: with others it would begin somewhere else. */
const markOf = ({ filter, orderBy }: ListQuery): string =>
  createHash('sha256')
    .update(JSON.stringify([filter, orderBy]))
    .digest('base64url')
    .slice(0, 8)

/** Opaque to clients. */
export const renderListToken = ({ value, uid }: PageStart, query: ListQuery): string =>
  Buffer.from(JSON.stringify([value, uid, markOf(query)])).toString('base64url')

function parseToken(token: string, query: ListQuery): PageStart {
  const parts = readJson(Buffer.from(token, 'base64url').toString())
  if (Array.isArray(parts) && parts.length === 3) {
    const [value, uid, mark] = parts as unknown[]
    const isPlace = typeof value === 'string' || typeof value === 'number'
    if (isPlace && typeof uid === 'string' && mark === markOf(query)) return { value, uid: instanceUid(uid) }
  }
  throw invalid(
    'pageToken',
    'The pageToken is not one of ours for this filter and orderBy; use nextPageToken of the page before as it is, with the same query.',
  )
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

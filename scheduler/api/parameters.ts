// Query parameters and headers that many routes take, from text to values. Text that makes no sense is refused.
import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { refuse } from '../errors.ts'
import { RefusedError } from './json-body.ts'

const closed = { additionalProperties: false } as const

export const ProjectPath = Type.Object({ region: Type.String(), project: Type.String() })
export const InstancePath = Type.Object({ region: Type.String(), project: Type.String(), id: Type.String() })
/** Nothing, or nothing in it. */
export const noBody = Type.Unsafe<null>({ type: ['object', 'null'], additionalProperties: false })
export const NoQuery = Type.Object({}, closed)
export const MutationQuery = Type.Object(
  { requestId: Type.Optional(Type.String({ description: 'The same as the header Idempotency-Key.' })) },
  closed,
)
const key = Type.Optional(
  Type.String({ description: 'The same key twice is one request; 1 to 128 visible ASCII characters.' }),
)
export const KeyHeader = Type.Object({ 'idempotency-key': key })
export const ChangeHeaders = Type.Object({
  'idempotency-key': key,
  'if-match': Type.Optional(Type.String({ description: 'ETag of the state that is meant.' })),
})
export const PageQuery = Type.Object(
  {
    pageSize: Type.Optional(Type.String({ description: '1 to 500; 50 where absent.' })),
    pageToken: Type.Optional(Type.String({ description: 'nextPageToken of the page before.' })),
  },
  closed,
)

const invalid = (field: string, message: string) =>
  new RefusedError(refuse('INVALID_VALUE', { message }, field))

/** An integer in decimal, within the bounds. */
export function parseInteger(
  text: string | undefined,
  { name, minimum, maximum, absent }: { name: string; minimum: bigint; maximum: bigint; absent: bigint },
): bigint {
  if (text === undefined) return absent
  const value = /^-?\d{1,19}$/.test(text) ? BigInt(text) : undefined
  if (value !== undefined && value >= minimum && value <= maximum) return value
  if (minimum === maximum) throw invalid(name, `"${name}" can only be ${minimum}.`)
  throw invalid(name, `"${name}" must be an integer from ${minimum} to ${maximum}.`)
}

export interface Page {
  readonly pageSize: number
  /** The last item of the page before. */
  readonly after?: string
}

export const parsePageSize = (text: string | undefined): number =>
  Number(parseInteger(text, { name: 'pageSize', minimum: 1n, maximum: 500n, absent: 50n }))

/** What a list is asked by. */
export type PageRequest = Pick<FastifyRequest, 'url'> & { readonly query: unknown }

interface PageOptions {
  readonly pageSize?: string
  readonly pageToken?: string
}

export function parsePage(request: PageRequest): Page {
  const { pageSize: size, pageToken } = request.query as PageOptions
  const pageSize = parsePageSize(size)
  if (pageToken === undefined) return { pageSize }
  const after = Buffer.from(pageToken, 'base64url').toString().slice(markLength)
  if (after !== '' && renderPageToken(after, request) === pageToken) return { pageSize, after }
  throw invalid(
    'pageToken',
    'The pageToken is not one of ours for this list; use nextPageToken of the page before as it is, with the same query.',
  )
}

/** Opaque to clients. */
export const renderPageToken = (last: string, request: PageRequest): string =>
  Buffer.from(markOf(request) + last).toString('base64url')

const markLength = 8

/** A token belongs to its list and query: with others it would begin somewhere else. */
function markOf({ url, query }: PageRequest): string {
  const { pageSize: _size, pageToken: _token, ...rest } = query as PageOptions
  return createHash('sha256')
    .update(JSON.stringify([url.split('?', 1), Object.entries(rest).sort()]))
    .digest('base64url')
    .slice(0, markLength)
}

/** `requestId` of the query and the header `Idempotency-Key` are one and the same thing. */
export function parseIdempotencyKey(
  request: FastifyRequest,
  query: { requestId?: string },
): string | undefined {
  const header = request.headers['idempotency-key']
  const fromHeader = Array.isArray(header) ? header.join(', ') : header
  if (fromHeader !== undefined && query.requestId !== undefined && fromHeader !== query.requestId) {
    const message = 'requestId and Idempotency-Key are both given and differ; send one.'
    throw new RefusedError(refuse('INVALID_IDEMPOTENCY_KEY', { message }, 'requestId'))
  }
  const key = fromHeader ?? query.requestId
  if (key === undefined || /^[\x21-\x7e]{1,128}$/.test(key)) return key
  const message = 'An idempotency key has 1 to 128 visible ASCII characters; a UUID is a good one.'
  throw new RefusedError(refuse('INVALID_IDEMPOTENCY_KEY', { message }, 'requestId'))
}

/** The revision that `If-Match` names; undefined where any will do. */
export function parseIfMatch(request: FastifyRequest): number | undefined {
  const header = request.headers['if-match']?.trim()
  if (header === undefined || header === '*') return undefined
  const match = /^"(\d{1,15})"$/.exec(header)
  if (match !== null) return Number(match[1])
  throw invalid('If-Match', 'If-Match takes one ETag as it was given, with its quotes, or *.')
}

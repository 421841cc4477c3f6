import type { FastifyRequest } from 'fastify'
import { type Static, type TObject, type TSchema, Type } from 'typebox'
import { refuse } from '../errors.ts'
import { about } from './about.ts'
import type { Access } from './access.ts'
import { ErrorBody } from './answer.ts'
import { RefusedError } from './json-body.ts'
import { NoQuery, PageQuery, parsePage, renderPageToken } from './parameters.ts'
import type { Server } from './server.ts'

/** A read-only list of resources and each of them: one description makes both routes. */
export interface Collection<Schema extends TObject> {
  /** Without the id: …/zones */
  readonly path: string
  /** The key of the list in the answer. */
  readonly plural: string
  /** "Zone": what a refusal says is missing. */
  readonly noun: string
  readonly access: Access
  readonly schema: Schema
  /** All of them, each with an id; or throws where what they belong to does not exist. */
  readonly list: (request: FastifyRequest) => readonly Static<Schema>[] | Promise<readonly Static<Schema>[]>
}

const errors = { '4xx': ErrorBody, '5xx': ErrorBody }

export function addCollection<Schema extends TObject>(server: Server, collection: Collection<Schema>): void {
  const { path, plural, noun } = collection
  const tag = path.includes('/hosts') ? 'Hosts' : 'Catalogue'
  const singular = noun.toLowerCase().replaceAll(/ (.)/g, (_, letter: string) => letter.toUpperCase())
  // The framework's types can't follow a schema that is a type parameter; `list` is held to it above.
  const schema: TSchema = collection.schema
  const config = { access: collection.access }
  const idOf = (item: Static<Schema>) => (item as { id: string }).id
  const page: TSchema = Type.Object({
    [plural]: Type.Array(schema),
    nextPageToken: Type.Optional(Type.String()),
  })

  server.get(
    path,
    {
      config,
      schema: {
        ...about(tag, `list${upper(plural)}`, `Lists ${wordsOf(plural)}`),
        ...params(path),
        querystring: PageQuery,
        response: { 200: page, ...errors },
      },
    },
    async (request) => {
      const { pageSize, after } = parsePage(request.query)
      const items = await collection.list(request)
      const start = after === undefined ? 0 : items.findIndex((item) => idOf(item) === after) + 1
      const shown = items.slice(start, start + pageSize)
      const last = shown.at(-1)
      const more = last !== undefined && start + pageSize < items.length
      const token = more ? { nextPageToken: renderPageToken(idOf(last)) } : {}
      return { [plural]: shown, ...token }
    },
  )

  server.get(
    `${path}/:id`,
    {
      config,
      schema: {
        ...about(tag, `get${upper(singular)}`, `Reads one of ${wordsOf(plural)}`),
        ...params(`${path}/:id`),
        querystring: NoQuery,
        response: { 200: schema, ...errors },
      },
    },
    async (request) => {
      const { id = '' } = request.params as { id?: string }
      const found = (await collection.list(request)).find((item) => idOf(item) === id)
      if (found === undefined) throw notFound(noun, id, request)
      return found
    },
  )
}

const upper = (word: string) => word.charAt(0).toUpperCase() + word.slice(1)
const wordsOf = (plural: string) => plural.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)

/** Every part of the path that is open is a name. */
function params(path: string): { params: TSchema } {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name)
  return { params: Type.Object(Object.fromEntries(names.map((name) => [name, Type.String()]))) }
}

export function notFound(what: string, id: string, request: FastifyRequest): RefusedError {
  const { region, project } = request.params as { region?: string; project?: string }
  const where = project === undefined ? `region ${region ?? ''}` : `project ${project}`
  return new RefusedError(refuse('NOT_FOUND', { what, id, where }))
}

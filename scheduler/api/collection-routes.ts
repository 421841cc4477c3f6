import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Static, type TObject, type TSchema, Type } from 'typebox'
import { refuse } from '../errors.ts'
import type { ResourceMeta } from '../model/resource.ts'
import { about } from './about.ts'
import type { Access } from './access.ts'
import { ErrorBody } from './answer.ts'
import { RefusedError } from './json-body.ts'
import { NoQuery, PageQuery, type PageRequest, parsePage, renderPageToken } from './parameters.ts'
import type { Server } from './server.ts'

export interface Entry {
  readonly id: string
  /** Of those that the store keeps. */
  readonly meta?: ResourceMeta
}

/** A list of resources and each of them: one description makes both routes. */
export interface Collection<Schema extends TObject, Item extends Entry> {
  /** Without the id: …/zones */
  readonly path: string
  /** The key of the list in the answer. */
  readonly plural: string
  /** "Zone": what a refusal says is missing. */
  readonly noun: string
  readonly access: Access
  readonly schema: Schema
  /** All of them; or throws where what they belong to does not exist. */
  readonly list: (request: FastifyRequest) => readonly Item[] | Promise<readonly Item[]>
  /** One that is there under its name without ever being made, and so is in no list. */
  readonly unlisted?: (id: string, request: FastifyRequest) => Item | undefined
  readonly render: (item: Item, request: FastifyRequest) => Static<Schema>
}

const errors = { '4xx': ErrorBody, '5xx': ErrorBody }

export function addCollection<Schema extends TObject, Item extends Entry>(
  server: Server,
  collection: Collection<Schema, Item>,
): void {
  const { path, plural, noun, render } = collection
  // The framework's types can't follow a schema that is a type parameter; `render` is held to it above.
  const schema: TSchema = collection.schema
  const config = { access: collection.access }
  const page: TSchema = Type.Object({
    [plural]: Type.Array(schema),
    nextPageToken: Type.Optional(Type.String()),
  })

  server.get(
    path,
    {
      config,
      schema: {
        ...about(tagOf(path), `list${scopeWord(path)}${upper(plural)}`, `Lists ${wordsOf(plural)}`),
        ...params(path),
        querystring: PageQuery,
        response: { 200: page, ...errors },
      },
    },
    async (request) => {
      const { items, token } = pageOf(await collection.list(request), request)
      return { [plural]: items.map((item) => render(item, request)), ...token }
    },
  )

  server.get(
    `${path}/:id`,
    {
      config,
      schema: {
        ...about(tagOf(path), `get${scopeWord(path)}${singularOf(noun)}`, `Reads one of ${wordsOf(plural)}`),
        ...params(`${path}/:id`),
        querystring: NoQuery,
        response: { 200: schema, ...errors },
      },
    },
    async (request, reply) => {
      const item = await findEntry(collection, request).catch((thrown: unknown) => {
        const { id = '' } = request.params as { id?: string }
        const unlisted = collection.unlisted?.(id, request)
        if (unlisted !== undefined) return unlisted
        throw thrown
      })
      tagReply(reply, item)
      return render(item, request)
    },
  )
}

/** By the id and not by its place: what came and went meanwhile moves nothing. */
export function pageOf<Item extends { readonly id: string }>(
  all: readonly Item[],
  request: PageRequest,
): { readonly items: readonly Item[]; readonly token: { nextPageToken?: string } } {
  const { pageSize, after } = parsePage(request)
  const sorted = all.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const start = after === undefined ? 0 : sorted.findIndex(({ id }) => id > after)
  const items = start === -1 ? [] : sorted.slice(start, start + pageSize)
  const last = items.at(-1)
  const more = last !== undefined && start + pageSize < sorted.length
  return { items, token: more ? { nextPageToken: renderPageToken(last.id, request) } : {} }
}

/** By id, or by uid. @throws RefusedError */
export async function findEntry<Schema extends TObject, Item extends Entry>(
  { list, noun }: Pick<Collection<Schema, Item>, 'list' | 'noun'>,
  request: FastifyRequest,
): Promise<Item> {
  const { id = '' } = request.params as { id?: string }
  const items = await list(request)
  const found = items.find((item) => item.id === id) ?? items.find(({ meta }) => meta?.uid === id)
  if (found === undefined) throw notFound(noun, id, request)
  return found
}

export function tagReply(reply: FastifyReply, { meta }: Pick<Entry, 'meta'>): void {
  if (meta !== undefined) void reply.header('etag', `"${meta.revision}"`)
}

const upper = (word: string) => word.charAt(0).toUpperCase() + word.slice(1)
const wordsOf = (plural: string) => plural.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
export const singularOf = (noun: string) =>
  upper(noun.toLowerCase().replaceAll(/ (.)/g, (_, letter: string) => letter.toUpperCase()))
export const tagOf = (path: string) => (path.includes('/hosts') ? 'Hosts' : 'Catalogue')
/** A project's instance types are not its zone's. */
export const scopeWord = (path: string) =>
  path.endsWith('/instance-types') && path.includes('/projects/') ? 'Project' : ''

/** Every part of the path that is open is a name. */
export function params(path: string): { params: TSchema } {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name)
  return { params: Type.Object(Object.fromEntries(names.map((name) => [name, Type.String()]))) }
}

export function notFound(what: string, id: string, request: FastifyRequest): RefusedError {
  const { region, project } = request.params as { region?: string; project?: string }
  const where = project === undefined ? `region ${region ?? ''}` : `project ${project}`
  return new RefusedError(refuse('NOT_FOUND', { what, id, where }))
}

// Routes that make, change and delete resources of a collection. Nothing is left to wait for when they answer: 201, 200 and
// 204, without an operation.
import type { FastifyRequest } from 'fastify'
import { type TObject, type TSchema, Type } from 'typebox'
import type { Collection as CollectionName, StoredResource } from '../model/resource.ts'
import type { Outcome } from '../operations/outcome.ts'
import type { OperationPorts } from '../operations/ports.ts'
import {
  deleteResource,
  makeResources,
  type Planned,
  type ResourceRequest,
  type Subject,
  updateResource,
  wasDeletedBy,
} from '../operations/resources/change-resource.ts'
import { about } from './about.ts'
import { type Access, principalOf } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import {
  addCollection,
  type Collection,
  type Entry,
  findEntry,
  params,
  scopeWord,
  singularOf,
  tagOf,
  tagReply,
} from './collection-routes.ts'
import { RefusedError } from './json-body.ts'
import { ChangeHeaders, KeyHeader, MutationQuery, parseIdempotencyKey, parseIfMatch } from './parameters.ts'
import type { Server } from './server.ts'

type Stored = Entry & { readonly meta?: Subject['meta'] }

export interface Changeable<Schema extends TObject, Item extends Stored> extends Collection<Schema, Item> {
  readonly collection: CollectionName
  readonly write: Access
  readonly create: {
    readonly body: TSchema
    readonly plan: (request: FastifyRequest) => Planned | Promise<Planned>
  }
  readonly update: {
    readonly body: TSchema
    /** undefined where all is well. */
    readonly check?: (
      patch: Readonly<Record<string, unknown>>,
      before: Item,
      request: FastifyRequest,
    ) => Outcome<object>
  }
  /** What goes with it, or why it can't go. */
  readonly beforeDelete?: (item: Item) => Outcome<readonly Subject[]>
  /** What is left of it elsewhere. */
  readonly afterDelete?: (item: Item) => Promise<void>
}

const errors = { '4xx': ErrorBody, '5xx': ErrorBody }

export function addChangeable<Schema extends TObject, Item extends Stored>(
  server: Server,
  kind: Changeable<Schema, Item>,
  ports: OperationPorts,
): void {
  addCollection(server, kind)
  const { path, noun, create, update } = kind
  const config = { access: kind.write }
  const schema: TSchema = kind.schema
  const word = `${scopeWord(path)}${singularOf(noun)}`
  const words = noun.toLowerCase()
  const tag = tagOf(path)
  const rendered = async (stored: StoredResource, request: FastifyRequest) => {
    const items = await kind.list(request)
    const item = items.find(({ meta }) => meta?.uid === stored.uid)
    if (item === undefined) throw new Error(`The ${words} ${stored.id} is gone as soon as it was made.`)
    return { item, body: kind.render(item, request) }
  }

  server.post(
    path,
    {
      config,
      schema: {
        ...about(tag, `create${word}`, `Creates ${words.match(/^[aeiou]/) ? 'an' : 'a'} ${words}`),
        ...params(path),
        querystring: MutationQuery,
        headers: KeyHeader,
        body: create.body,
        response: { 201: schema, ...errors },
      },
    },
    async (request, reply) => {
      const asked = requestOf(request, request.query)
      const outcome = await makeResources(asked, () => create.plan(request), ports)
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      const { item, body } = await rendered(outcome.value, request)
      tagReply(reply, item)
      const place = (body as { selfLink?: string }).selfLink ?? ''
      return reply.code(201).header('location', place).send(body)
    },
  )

  const one = `${path}/:id`
  const common = { ...params(one), querystring: MutationQuery, headers: ChangeHeaders }
  server.patch(
    one,
    {
      config,
      schema: {
        ...about(tag, `update${word}`, `Changes ${words.match(/^[aeiou]/) ? 'an' : 'a'} ${words}`),
        ...common,
        body: update.body,
        response: { 200: schema, ...errors },
      },
    },
    async (request, reply) => {
      const item = await findEntry(kind, request)
      const asked = requestOf(request, request.query)
      const patch = request.body as Readonly<Record<string, unknown>>
      const checked = update.check?.(patch, item, request) ?? { kind: 'done', value: patch }
      if (checked.kind === 'refused') return answerRefusal(reply, checked)
      const change = {
        subject: subjectOf(kind, item),
        patch: checked.value as typeof patch,
        nowMs: ports.clock.nowMs(),
      }
      const outcome = await updateResource(asked, change, ports)
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      const after = await rendered(outcome.value, request)
      tagReply(reply, after.item)
      return after.body
    },
  )

  server.delete(
    one,
    {
      config,
      schema: {
        ...about(
          tag,
          `delete${word}`,
          `Deletes ${words.match(/^[aeiou]/) ? 'an' : 'a'} ${words} that nothing uses`,
        ),
        ...common,
        response: { 204: Type.Null({ description: 'It is gone.' }), ...errors },
      },
    },
    async (request, reply) => {
      const asked = requestOf(request, request.query)
      const item = await findEntry(kind, request).catch(async (thrown: unknown) => {
        if (thrown instanceof RefusedError && (await wasDeletedBy(asked, ports))) return undefined
        throw thrown
      })
      if (item === undefined) return reply.code(204).send(null)
      const before = kind.beforeDelete?.(item) ?? { kind: 'done', value: [] }
      if (before.kind === 'refused') return answerRefusal(reply, before)
      const change = {
        subject: subjectOf(kind, item),
        before: before.value,
        nowMs: ports.clock.nowMs(),
      }
      const outcome = await deleteResource(asked, change, ports)
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      await kind.afterDelete?.(item)
      return reply.code(204).send(null)
    },
  )
}

function subjectOf({ collection }: { collection: CollectionName }, { id, meta }: Stored): Subject {
  if (meta === undefined) throw new Error(`${collection}/${id} is not in the store.`)
  return { collection, id, meta }
}

function requestOf(request: FastifyRequest, query: { requestId?: string }): ResourceRequest {
  const { project = '' } = request.params as { project?: string }
  const idempotencyKey = parseIdempotencyKey(request, query)
  const ifRevision = parseIfMatch(request)
  return {
    project,
    principal: principalOf(request).subject,
    requestId: request.id,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(ifRevision === undefined ? {} : { ifRevision }),
    method: request.method,
    path: request.url.split('?', 1)[0] ?? '',
    body: request.body ?? null,
  }
}

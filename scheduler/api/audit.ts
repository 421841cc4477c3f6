// Who asked for what: every request that was to change something leaves an entry before it is answered, also one that was
// refused. In: requests of those with a token. Out: entries for operators, and for admins those of their project. Never:
// bodies or tokens.
import type { FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import { formatTimestamp } from '../../lib/clock.ts'
import { projectId } from '../../proto/ids.ts'
import type { AuditEntry } from '../model/audit.ts'
import { listAudit } from '../operations/list-audit.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { about } from './about.ts'
import { operatorOnly, projectAccess, projectOf } from './access.ts'
import { ErrorBody } from './answer.ts'
import { PageQuery, type PageRequest, ProjectPath, parsePage, renderPageToken } from './parameters.ts'
import type { Server } from './server.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The first reason of a refusal. */
    refusedFor: string | undefined
    /** Its entry was written with what it asked for. */
    isAudited: boolean
  }
}

const changing: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/** Who has one open can type in it. */
const openingConsole = 'openConsole'

/** Before any route. */
export function addAuditTrail(server: Server, ports: OperationPorts): void {
  server.decorateRequest('refusedFor', undefined)
  server.decorateRequest('isAudited', false)
  server.addHook('onSend', async (request, reply, payload) => {
    await writeAudit(request, { status: reply.statusCode }, ports)
    return payload
  })
}

/** Of a request that is answered so, where it is one of those that leave an entry. */
export async function writeAudit(
  request: FastifyRequest,
  answer: { readonly status: number },
  { store, log, ...ports }: Pick<OperationPorts, 'store' | 'clock' | 'random' | 'log'>,
): Promise<void> {
  const entry = request.isAudited ? undefined : auditEntryOf(request, answer, ports)
  if (entry === undefined) return
  // What was done is done: an answer that is lost would make it worse.
  await store
    .appendAudit(entry)
    .catch((err: unknown) => log.error({ err, ...entry }, 'A change could not be written to the audit.'))
}

/** undefined where it is none of those that leave one. */
export function auditEntryOf(
  request: FastifyRequest,
  { status }: { readonly status: number },
  { clock, random }: Pick<OperationPorts, 'clock' | 'random'>,
): AuditEntry | undefined {
  const { principal, method, routeOptions, refusedFor } = request
  const { operationId } = (routeOptions.schema ?? {}) as { operationId?: string }
  // Who is unknown, or asks too often, could fill the disk; a plan changes nothing.
  if (principal === undefined || operationId === undefined) return undefined
  if (!changing.has(method) && !(operationId === openingConsole && request.ws)) return undefined
  if (operationId.startsWith('plan') || status === 429) return undefined
  const { project } = request.params as { project?: string }
  return {
    ...{ id: random.uuid(), atMs: clock.nowMs(), principal: principal.subject },
    ...(project === undefined ? {} : { project }),
    ...{ action: operationId, method, path: request.url.split('?', 1)[0] ?? '', status },
    ...(refusedFor === undefined ? {} : { reason: refusedFor }),
    requestId: request.id,
    sourceAddress: request.ip,
  }
}

const AuditList = Type.Object(
  {
    entries: Type.Array(
      Type.Object({
        id: Type.String({ format: 'uuid' }),
        at: Type.String({ format: 'date-time' }),
        principal: Type.String({ description: 'Who asked.' }),
        project: Type.Optional(Type.String()),
        action: Type.String({ description: 'Operation of this document, such as createInstance.' }),
        method: Type.String(),
        path: Type.String(),
        status: Type.Integer({ description: 'What it was answered with.' }),
        reason: Type.Optional(Type.String({ description: 'Why it was refused.' })),
        requestId: Type.String(),
        sourceAddress: Type.String(),
      }),
    ),
    nextPageToken: Type.Optional(Type.String()),
  },
  { title: 'AuditList' },
)
const AuditQuery = Type.Object(
  {
    ...PageQuery.properties,
    principal: Type.Optional(Type.String({ description: 'Only what this one asked for.' })),
    requestId: Type.Optional(Type.String({ description: 'Only the request of this id.' })),
  },
  { additionalProperties: false },
)
const response = { 200: AuditList, '4xx': ErrorBody, '5xx': ErrorBody }

export function addAuditRoutes(server: Server, ports: OperationPorts): void {
  const read = async (request: PageRequest, project?: string) => {
    const { pageSize, after } = parsePage(request)
    const { principal, requestId } = request.query as Static<typeof AuditQuery>
    const { entries, nextBeforeId } = await listAudit(
      {
        pageSize,
        ...(project === undefined ? {} : { project: projectId(project) }),
        ...(principal === undefined ? {} : { principal }),
        ...(requestId === undefined ? {} : { requestId }),
        ...(after === undefined ? {} : { beforeId: after }),
      },
      ports,
    )
    const next = nextBeforeId === undefined ? {} : { nextPageToken: renderPageToken(nextBeforeId, request) }
    return {
      entries: entries.map(({ atMs, ...entry }) => ({ ...entry, at: formatTimestamp(atMs) })),
      ...next,
    }
  }
  server.get(
    '/v1/regions/:region/audit',
    {
      config: { access: operatorOnly },
      schema: {
        ...about('Operations', 'listAudit', 'Lists who asked for what, newest first, for operators'),
        params: Type.Object({ region: Type.String() }),
        querystring: AuditQuery,
        response,
      },
    },
    (request) => read(request),
  )
  server.get(
    '/v1/regions/:region/projects/:project/audit',
    {
      config: { access: projectAccess('admin') },
      schema: {
        ...about('Operations', 'listProjectAudit', 'Lists who asked for what in the project, newest first'),
        params: ProjectPath,
        querystring: AuditQuery,
        response,
      },
    },
    (request) => read(request, projectOf(request).id),
  )
}

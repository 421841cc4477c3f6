// The HTTP face of the scheduler: tokens, shapes, statuses and headers.
// In: requests. Out: answers, every one of them in the published form and with an X-Request-Id.
// Never: decides, remembers, or lets a stack or another project's data out.
import { STATUS_CODES } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyListenOptions,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify'
import { Type } from 'typebox'
import type { TokenVerifier } from '../auth/verify-token.ts'
import { refuse, statusOf } from '../errors.ts'
import { checkReadiness } from '../operations/list-hosts.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { about } from './about.ts'
import { guardRoutes, publicAccess } from './access.ts'
import { answerError, answerRefusal, bodyLimitBytes, ErrorBody } from './answer.ts'
import { addAuditRoutes, addAuditTrail } from './audit.ts'
import { addCapacityRoutes } from './capacity-routes.ts'
import { addCatalogueRoutes } from './catalogue-routes.ts'
import { addConsoleRoute, addWebsockets } from './console-route.ts'
import { addDiskRoutes } from './disk-routes.ts'
import { addHostRoutes } from './host-routes.ts'
import { addIdentityRoutes } from './identity-routes.ts'
import { addInstanceRoutes } from './instance-routes.ts'
import { parseJsonBody } from './json-body.ts'
import { addLoginRoute, type LoginSettings } from './login-route.ts'
import { addMetrics } from './metrics.ts'
import { addOpenapi, addOpenapiRoute } from './openapi.ts'
import { addOperationRoutes } from './operation-routes.ts'
import { collectRoutes } from './other-methods.ts'
import { addProjectResourceRoutes } from './project-resource-routes.ts'
import { addQuotaRoutes } from './quota-routes.ts'
import { addRateLimit } from './rate-limit.ts'
import { cutSilentConnections } from './silent-connections.ts'
import { refuseUnmetConditions } from './unmet-conditions.ts'
import { addUploadRoutes } from './upload-routes.ts'

export type Server = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

export interface ApiServer {
  /** http://127.0.0.1:8080 */
  readonly url: string
  /** Lets requests under way finish. */
  close(): Promise<void>
}

/** An address of this machine, or the descriptor of a socket that listens already. */
export type ListenAt = { readonly host: string; readonly port: number } | { readonly socket: number }

export interface ServerParts {
  readonly ports: OperationPorts
  readonly verifier: TokenVerifier
  readonly login: LoginSettings
  readonly requestsPerMinute: number
}

export async function startApiServer(options: ServerParts & ListenAt): Promise<ApiServer> {
  const server = await buildServer(options)
  const url = await server.listen(listenOptions(options))
  return { url, close: () => server.close() }
}

/** Fastify's types know nothing of descriptors, which it hands on; with a name for a host it would listen a second time. */
function listenOptions(at: ListenAt): FastifyListenOptions {
  if ('socket' in at) return { fd: at.socket, host: '0.0.0.0' } as FastifyListenOptions
  return { host: at.host, port: at.port }
}

/** Everything but the listening. */
export async function buildServer({
  ports,
  verifier,
  login,
  requestsPerMinute,
}: ServerParts): Promise<Server> {
  const { log } = ports
  const server: Server = fastify({
    logger: false,
    bodyLimit: bodyLimitBytes,
    requestIdHeader: false,
    genReqId: (request) => acceptRequestId(request.headers['x-request-id']) ?? makeRequestId(ports),
    // The defaults of these drop and convert silently; `verbose` lets a problem name what was meant.
    ajv: {
      customOptions: {
        removeAdditional: false,
        coerceTypes: false,
        useDefaults: false,
        allErrors: true,
        verbose: true,
      },
    },
    clientErrorHandler: (thrown, socket) => {
      const requestId = makeRequestId(ports)
      log.info({ requestId, code: thrown.code }, 'What came was no HTTP.')
      if (socket.writable) socket.end(renderBadRequest(requestId, thrown.code))
    },
    frameworkErrors: (thrown, request, reply) => {
      void reply.header('x-request-id', request.id)
      void answerError(thrown, request, reply, log)
    },
  }).withTypeProvider<TypeBoxTypeProvider>()

  cutSilentConnections(server)
  server.removeAllContentTypeParsers()
  server.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    { parseAs: 'string' },
    (_request, text, done) => {
      try {
        done(null, parseJsonBody(String(text)))
      } catch (thrown) {
        done(thrown as Error)
      }
    },
  )
  server.setErrorHandler((thrown, request, reply) => answerError(thrown, request, reply, log))
  server.setNotFoundHandler((request, reply) =>
    answerRefusal(reply, refuse('ROUTE_NOT_FOUND', { path: pathOf(request.url) })),
  )
  server.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id)
  })
  server.addHook('onResponse', async (request, reply) => {
    const fields = {
      requestId: request.id,
      method: request.method,
      path: pathOf(request.url),
      status: reply.statusCode,
      durationMs: Math.round(reply.elapsedTime),
      principal: request.principal?.subject,
    }
    log.info(fields, 'Answered.')
  })
  await addWebsockets(server)
  await addOpenapi(server)
  await addRateLimit(server, requestsPerMinute)
  addAuditTrail(server, ports)
  guardRoutes(server, { verifier, catalogue: ports.catalogue })
  refuseUnmetConditions(server)
  const refuseOtherMethods = collectRoutes(server)
  addHealthRoutes(server, ports)
  addMetrics(server, ports)
  addLoginRoute(server, login)
  addCatalogueRoutes(server, ports)
  await addUploadRoutes(server, ports)
  addProjectResourceRoutes(server, ports)
  addInstanceRoutes(server, ports)
  addConsoleRoute(server, ports)
  addDiskRoutes(server, ports)
  addOperationRoutes(server, ports)
  addQuotaRoutes(server, ports)
  addHostRoutes(server, ports)
  addCapacityRoutes(server, ports)
  addAuditRoutes(server, ports)
  addIdentityRoutes(server, ports)
  addOpenapiRoute(server)
  refuseOtherMethods()
  return server
}

/** In the order of time, so that new ones lie beside one another in the index of them. */
const makeRequestId = ({ clock, random }: Pick<OperationPorts, 'clock' | 'random'>): string =>
  `req_${clock.nowMs().toString(36).padStart(9, '0')}${random.slug(11)}`

/** A client's own id is kept where it can stand in a log line and a header. */
function acceptRequestId(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' && /^[A-Za-z0-9._:-]{1,128}$/.test(header) ? header : undefined
}

/** The published form, for a connection that never got as far as a request. */
function renderBadRequest(requestId: string, trouble: string): string {
  const { message, problems } =
    trouble === 'HPE_HEADER_OVERFLOW'
      ? refuse('HEADERS_TOO_LARGE', {})
      : refuse('MALFORMED_REQUEST', { message: 'This is not HTTP that can be read.' })
  const code = statusOf(problems[0].reason)
  const body = JSON.stringify({ error: { code, message, details: problems } })
  const head = [
    `HTTP/1.1 ${code} ${STATUS_CODES[code]}`,
    'Content-Type: application/json',
    'Connection: close',
  ]
  return [...head, `X-Request-Id: ${requestId}`, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join(
    '\r\n',
  )
}

/** The query may hold what is not for logs. */
const pathOf = (url: string) => url.split('?', 1)[0] ?? ''

function addHealthRoutes(server: Server, ports: OperationPorts): void {
  const config = { access: publicAccess }
  const response = { 200: Type.Object({ status: Type.String() }), '4xx': ErrorBody, '5xx': ErrorBody }
  const live = about('Health', 'getHealth', 'Says that the process runs')
  server.get('/healthz', { config, schema: { ...live, security: [], response } }, async () => ({
    status: 'ok',
  }))
  const ready = about('Health', 'getReadiness', 'Says whether creates would work')
  server.get('/readyz', { config, schema: { ...ready, security: [], response } }, async (_request, reply) =>
    (await checkReadiness(ports))
      ? { status: 'ready' }
      : answerRefusal(reply, refuse('TRY_AGAIN', { message: 'The store does not answer.' })),
  )
}

import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Logger } from '../../lib/log.ts'
import { type Problem, problem, type Refusal, reasons, refuse, refuseAll, statusOf } from '../errors.ts'
import { StoreUnavailable } from '../operations/ports.ts'
import { RefusedError } from './json-body.ts'
import { renderShapeProblems, type ShapeFinding } from './shape-problems.ts'

export const bodyLimitBytes = 4 * 1024 * 1024

export const ErrorDetails = Type.Array(
  Type.Object({
    reason: Type.Enum([...reasons]),
    field: Type.Optional(Type.String()),
    message: Type.String(),
    rule: Type.Optional(Type.String()),
    hosts: Type.Optional(Type.Integer()),
  }),
)

export const ErrorBody = Type.Object(
  {
    error: Type.Object({
      code: Type.Integer({ description: 'The HTTP status.' }),
      message: Type.String({ description: 'For a person.' }),
      details: ErrorDetails,
    }),
  },
  { title: 'Error' },
)

/** The only way a refusal becomes an answer. Of several problems the first decides the status. */
export function answerRefusal(reply: FastifyReply, { message, problems }: Refusal): FastifyReply {
  const code = statusOf(problems[0].reason)
  reply.request.refusedFor = problems[0].reason
  reply.request.refusedRules = problems.flatMap(({ rule = [] }) => rule)
  if (code === 401) {
    const tried = reply.request.headers.authorization !== undefined
    void reply.header('www-authenticate', `Bearer realm="berth"${tried ? ', error="invalid_token"' : ''}`)
  }
  if (code === 503) void reply.header('retry-after', '1')
  return reply.code(code).send({ error: { code, message, details: problems } })
}

/** Whatever was thrown while a request was handled. What it was goes to the log, never to the client. */
export function answerError(
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Logger,
): FastifyReply {
  if (thrown instanceof StoreUnavailable) {
    log.error({ requestId: request.id, err: thrown }, 'The store did not answer a request.')
    return answerRefusal(reply, refuse('TRY_AGAIN', { message: storeSilent }))
  }
  const refusal = refusalOf(thrown, request)
  if (refusal !== undefined) return answerRefusal(reply, refusal)
  log.error({ requestId: request.id, err: thrown }, 'A request failed.')
  return answerRefusal(reply, refuse('INTERNAL', { requestId: request.id }))
}

const storeSilent =
  'The store does not answer at this moment, so whether this was carried out is not known. Repeat it with the same Idempotency-Key.'

function refusalOf(thrown: unknown, request: FastifyRequest): Refusal | undefined {
  if (thrown instanceof RefusedError) return thrown.refusal
  if (!(thrown instanceof Error)) return undefined
  const { validation, code, statusCode } = thrown as Partial<FastifyError>
  if (validation !== undefined) return refuseShape(validation, request)
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return refuse('BODY_TOO_LARGE', { limitBytes: bodyLimitBytes })
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return refuse('UNSUPPORTED_MEDIA_TYPE', { given: mediaTypeOf(request) })
    case 'FST_ERR_BAD_URL':
      return refuse('MALFORMED_REQUEST', {
        message: 'The path has a % that begins no escape of UTF-8 text; write %25 for a % itself.',
      })
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return refuse('MALFORMED_REQUEST', {
        message: 'A part of the path is longer than any id; ids have at most 63 characters.',
      })
    default:
      // Other troubles that the framework blames on the client, such as a wrong content length.
      return statusCode !== undefined && statusCode >= 400 && statusCode < 500
        ? refuse('MALFORMED_REQUEST', { message: 'The request is not well-formed HTTP for this server.' })
        : undefined
  }
}

const mediaTypeOf = (request: FastifyRequest) => request.headers['content-type']?.slice(0, 100) ?? 'nothing'

function refuseShape(findings: readonly ShapeFinding[], request: FastifyRequest): Refusal | undefined {
  const sayImmutable = immutableIn(request)
  const [first, ...others] = renderShapeProblems(findings).map(sayImmutable)
  return first === undefined ? undefined : refuseAll([first, ...others])
}

/** What a patch does not take, and its answer has, is no unknown field. */
function immutableIn({ method, routeOptions }: FastifyRequest): (found: Problem) => Problem {
  const responses = (routeOptions.schema?.response ?? {}) as Readonly<
    Record<string, { readonly properties?: object }>
  >
  const shown = (responses['200'] ?? responses['202'])?.properties ?? {}
  return (found) => {
    const { reason, field: name } = found
    if (method !== 'PATCH' || reason !== 'UNKNOWN_FIELD' || name === undefined) return found
    return Object.hasOwn(shown, name) ? problem('IMMUTABLE_FIELD', { name }, name) : found
  }
}

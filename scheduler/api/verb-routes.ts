// Verbs on one instance: POST …/instances/{id}:start and its like, and DELETE. Each is answered with 202, the instance as
// it is from now on, and the operation that tells how it ended.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { projectId } from '../../proto/ids.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import type { Accepted } from '../operations/accepted.ts'
import { changeInstance } from '../operations/change-instance.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { about } from './about.ts'
import { principalOf, projectAccess } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { entityTagOf, InstanceResource, renderInstance } from './instance-resource.ts'
import {
  ChangeHeaders,
  InstancePath,
  MutationQuery,
  noBody,
  parseIdempotencyKey,
  parseIfMatch,
} from './parameters.ts'
import type { Server } from './server.ts'

/** Verbs follow a colon, which no id has. */
export const instancePath = '/v1/regions/:region/projects/:project/compute/instances/:id(^[^:/]+)'

const config = { access: projectAccess('editor') }
const StopBody = Type.Unsafe<{ force?: boolean } | null>({
  type: ['object', 'null'],
  properties: {
    force: { type: 'boolean', description: 'End the guest at once instead of asking it to power off.' },
  },
  additionalProperties: false,
})
const schema = {
  params: InstancePath,
  querystring: MutationQuery,
  headers: ChangeHeaders,
  response: { 202: InstanceResource, '4xx': ErrorBody, '5xx': ErrorBody },
}

const summaries = {
  start: 'Starts a stopped instance',
  stop: 'Stops an instance; its disks and addresses stay',
  suspend: 'Writes the memory of a running instance to disk and frees CPU and memory',
  resume: 'Lets a suspended instance go on where it was',
  restart: 'Stops an instance and starts it again',
  reset: 'Resets the guest, which is not asked',
  delete: 'Deletes an instance with its disks',
} as const

export function addVerbRoutes(server: Server, ports: OperationPorts): void {
  const { region } = ports.catalogue
  for (const verb of ['start', 'suspend', 'resume', 'restart', 'reset'] as const) {
    server.post(
      `${instancePath}::${verb}`,
      {
        config,
        schema: { ...about('Instances', `${verb}Instance`, summaries[verb]), ...schema, body: noBody },
      },
      async (request, reply) => {
        const outcome = await changeInstance({ verb, ...requestOf(request, request.query) }, ports)
        return outcome.kind === 'refused'
          ? answerRefusal(reply, outcome)
          : answerAccepted(reply, outcome.value, region)
      },
    )
  }
  server.post(
    `${instancePath}::stop`,
    { config, schema: { ...about('Instances', 'stopInstance', summaries.stop), ...schema, body: StopBody } },
    async (request, reply) => {
      const isForced = request.body?.force ?? false
      const outcome = await changeInstance(
        { verb: 'stop', isForced, ...requestOf(request, request.query) },
        ports,
      )
      return outcome.kind === 'refused'
        ? answerRefusal(reply, outcome)
        : answerAccepted(reply, outcome.value, region)
    },
  )
  const deletion = { ...about('Instances', 'deleteInstance', summaries.delete), ...schema }
  server.delete(instancePath, { config, schema: deletion }, async (request, reply) => {
    const outcome = await changeInstance({ verb: 'delete', ...requestOf(request, request.query) }, ports)
    return outcome.kind === 'refused'
      ? answerRefusal(reply, outcome)
      : answerAccepted(reply, outcome.value, region)
  })
}

/** What every change takes from its request. */
export function requestOf(request: FastifyRequest, query: { requestId?: string }) {
  const { project, id } = request.params as { project: string; id: string }
  const idempotencyKey = parseIdempotencyKey(request, query)
  const ifRevision = parseIfMatch(request)
  return {
    project: projectId(project),
    idOrUid: id,
    body: request.body ?? null,
    principal: principalOf(request).subject,
    requestId: request.id,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(ifRevision === undefined ? {} : { ifRevision }),
  }
}

/** The body; the rest is in the reply. A handler that returned the reply itself would be waited for until all is sent. */
export function answerAccepted(
  reply: FastifyReply,
  { instance, operationId }: Accepted,
  region: string,
): InstanceResource {
  const paths = resourcePaths(region)
  void reply
    .code(202)
    .header('location', paths.instance(instance.project, instance.id))
    .header('operation', paths.operation(instance.project, operationId))
    .header('etag', entityTagOf(instance))
  return renderInstance(instance, region)
}

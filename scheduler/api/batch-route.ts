import { Type } from 'typebox'
import { BatchScheduling, InstanceRequest } from '../admission/instance-request.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import { createInstances, maximumBatch } from '../operations/create-instances.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { about } from './about.ts'
import { principalOf, projectAccess, projectOf } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { InstanceResource, renderInstance } from './instance-resource.ts'
import { KeyHeader, MutationQuery, ProjectPath, parseIdempotencyKey } from './parameters.ts'
import type { Server } from './server.ts'

export const BatchRequest = Type.Object(
  {
    instances: Type.Array(InstanceRequest, { minItems: 1, maxItems: maximumBatch }),
    scheduling: Type.Optional(BatchScheduling),
  },
  { additionalProperties: false, title: 'InstanceBatch' },
)
const BatchResource = Type.Object({
  instances: Type.Array(InstanceResource),
  operations: Type.Array(
    Type.String({ description: "Path of the operation of each, in the instances' order." }),
  ),
})

export function addBatchRoute(server: Server, path: string, ports: OperationPorts): void {
  const { region } = ports.catalogue
  server.post(
    `${path}::batchCreate`,
    {
      config: { access: projectAccess('editor') },
      schema: {
        ...about('Instances', 'batchCreateInstances', 'Creates several instances, all or none'),
        params: ProjectPath,
        querystring: MutationQuery,
        headers: KeyHeader,
        body: BatchRequest,
        response: { 202: BatchResource, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    async (request, reply) => {
      const idempotencyKey = parseIdempotencyKey(request, request.query)
      const { instances: bodies, scheduling: batch } = request.body
      const outcome = await createInstances(
        {
          project: projectOf(request),
          bodies,
          ...(batch === undefined ? {} : { batch }),
          principal: principalOf(request).subject,
          requestId: request.id,
          serverHost: request.host,
          ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
        },
        ports,
      )
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      const paths = resourcePaths(region)
      void reply.code(202)
      return {
        instances: outcome.value.map(({ instance }) => renderInstance(instance, region)),
        operations: outcome.value.map(({ instance, operationId }) =>
          paths.operation(instance.project, operationId),
        ),
      }
    },
  )
}

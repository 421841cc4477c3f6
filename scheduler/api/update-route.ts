import { InstancePatch } from '../admission/instance-request.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { updateInstance } from '../operations/update-instance.ts'
import { about } from './about.ts'
import { projectAccess } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { InstanceResource } from './instance-resource.ts'
import { ChangeHeaders, InstancePath, MutationQuery } from './parameters.ts'
import type { Server } from './server.ts'
import { answerAccepted, instancePath, requestOf } from './verb-routes.ts'

export function addUpdateRoute(server: Server, ports: OperationPorts): void {
  server.patch(
    instancePath,
    {
      config: { access: projectAccess('editor') },
      schema: {
        ...about('Instances', 'updateInstance', 'Changes an instance by a merge patch'),
        params: InstancePath,
        querystring: MutationQuery,
        headers: ChangeHeaders,
        body: InstancePatch,
        response: { 202: InstanceResource, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    async (request, reply) => {
      const outcome = await updateInstance(
        { ...requestOf(request, request.query), body: request.body },
        ports,
      )
      return outcome.kind === 'refused'
        ? answerRefusal(reply, outcome)
        : answerAccepted(reply, outcome.value, ports.catalogue.region)
    },
  )
}

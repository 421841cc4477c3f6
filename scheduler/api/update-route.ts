import { InstancePatch, InstanceRequest } from '../admission/instance-request.ts'
import { type Problem, problem, refuseAll } from '../errors.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { updateInstance } from '../operations/update-instance.ts'
import { about } from './about.ts'
import { projectAccess } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { InstanceResource } from './instance-resource.ts'
import { ChangeHeaders, InstancePath, MutationQuery } from './parameters.ts'
import type { Server } from './server.ts'
import { renderShapeProblems } from './shape-problems.ts'
import { answerAccepted, instancePath, requestOf } from './verb-routes.ts'

export function addUpdateRoute(server: Server, ports: OperationPorts): void {
  server.patch(
    instancePath,
    {
      attachValidation: true,
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
      const { validationError } = request
      if (validationError !== undefined) {
        const [first, ...others] = renderShapeProblems(validationError.validation ?? []).map(sayImmutable)
        if (validationError.validationContext !== 'body' || first === undefined) throw validationError
        return answerRefusal(reply, refuseAll([first, ...others]))
      }
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

/** A field of the create is known, only not here. */
function sayImmutable(found: Problem): Problem {
  const { reason, field: name } = found
  const isKnown = reason === 'UNKNOWN_FIELD' && name !== undefined && name in InstanceRequest.properties
  return isKnown ? problem('IMMUTABLE_FIELD', { name }, name) : found
}

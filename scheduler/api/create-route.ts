import type { FastifyRequest } from 'fastify'
import { InstanceRequest } from '../admission/instance-request.ts'
import { type Refusal, refuseAll } from '../errors.ts'
import { findMeaningProblems } from '../operations/admission-context.ts'
import { createInstance } from '../operations/create-instance.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { about } from './about.ts'
import { principalOf, projectAccess, projectOf } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { auditEntryOf } from './audit.ts'
import { InstanceResource } from './instance-resource.ts'
import { KeyHeader, MutationQuery, ProjectPath, parseIdempotencyKey } from './parameters.ts'
import type { Server } from './server.ts'
import { setAside } from './set-aside.ts'
import { misshapenPaths, renderShapeProblems, type ShapeFinding } from './shape-problems.ts'
import { answerAccepted } from './verb-routes.ts'

export function addCreateRoute(server: Server, path: string, ports: OperationPorts): void {
  const { region } = ports.catalogue
  server.post(
    path,
    {
      // The handler adds what the meaning of the rest has wrong, so that one answer names everything.
      attachValidation: true,
      config: { access: projectAccess('editor') },
      schema: {
        ...about('Instances', 'createInstance', 'Creates an instance'),
        params: ProjectPath,
        querystring: MutationQuery,
        headers: KeyHeader,
        body: InstanceRequest,
        response: { 202: InstanceResource, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    async (request, reply) => {
      const misshapen = await refuseMisshapen(request, ports)
      if (misshapen !== undefined) return answerRefusal(reply, misshapen)
      const idempotencyKey = parseIdempotencyKey(request, request.query)
      const project = projectOf(request)
      const audit = auditEntryOf(request, { status: 202 }, ports)
      const outcome = await createInstance(
        {
          project,
          body: request.body,
          principal: principalOf(request).subject,
          requestId: request.id,
          serverHost: request.host,
          ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
          ...(audit === undefined ? {} : { audit }),
        },
        ports,
      )
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      request.isAudited = outcome.value.isAudited ?? false
      return answerAccepted(reply, outcome.value, region)
    },
  )
}

/** What a body of the wrong shape is answered; undefined for a right one. @throws where another part of the request is wrong */
export async function refuseMisshapen(
  request: FastifyRequest,
  ports: OperationPorts,
): Promise<Refusal | undefined> {
  const { validationError } = request
  if (validationError === undefined) return undefined
  if (validationError.validationContext !== 'body') throw validationError
  return refuseBody(validationError.validation ?? [], request, ports)
}

/** Problems of shape, and problems of meaning in what is left when the misshapen parts are set aside. */
async function refuseBody(
  findings: readonly ShapeFinding[],
  request: FastifyRequest,
  ports: OperationPorts,
): Promise<Refusal> {
  const rest = setAside(request.body, findings.flatMap(misshapenPaths))
  const meaning = request.validateInput(rest.body, 'body')
    ? await findMeaningProblems(
        { body: rest.body as InstanceRequest, project: projectOf(request), serverHost: request.host },
        ports,
      )
    : []
  const [first, ...others] = [...renderShapeProblems(findings), ...meaning.filter(rest.isOfRequest)]
  if (first === undefined) throw new Error('The validator refused a body without saying why.')
  return refuseAll([first, ...others])
}

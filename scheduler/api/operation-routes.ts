import { type Static, Type } from 'typebox'
import { formatTimestamp } from '../../lib/clock.ts'
import { operationId, projectId } from '../../proto/ids.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import { instanceVerbs, type OperationRecord } from '../model/operation.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { listOperations, readOperation } from '../operations/read-operation.ts'
import { about } from './about.ts'
import { projectAccess, projectOf } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { InstancePath, NoQuery, PageQuery, ProjectPath, parsePage, renderPageToken } from './parameters.ts'
import type { Server } from './server.ts'

const verbs = [...instanceVerbs.map((verb) => `instances.${verb}`), 'disks.delete']

export const OperationResource = Type.Object(
  {
    selfLink: Type.String(),
    id: Type.String({ format: 'uuid' }),
    type: Type.Enum(verbs),
    target: Type.String({ description: 'Path of the resource.' }),
    targetUid: Type.String(),
    status: Type.Enum(['RUNNING', 'DONE']),
    error: Type.Optional(
      Type.Object(
        { reason: Type.String(), message: Type.String() },
        { description: 'Of one that ended badly.' },
      ),
    ),
    principal: Type.String({ description: 'Who asked.' }),
    requestId: Type.String(),
    createdAt: Type.String({ format: 'date-time' }),
    endedAt: Type.Optional(Type.String({ format: 'date-time' })),
  },
  { title: 'Operation' },
)

const collection = '/v1/regions/:region/projects/:project/compute/operations'
const errors = { '4xx': ErrorBody, '5xx': ErrorBody }

export function addOperationRoutes(server: Server, ports: OperationPorts): void {
  const { region } = ports.catalogue
  const config = { access: projectAccess('viewer') }
  server.get(
    collection,
    {
      config,
      schema: {
        ...about('Operations', 'listOperations', 'Lists operations, newest first'),
        params: ProjectPath,
        querystring: PageQuery,
        response: {
          200: Type.Object({
            operations: Type.Array(OperationResource),
            nextPageToken: Type.Optional(Type.String()),
          }),
          ...errors,
        },
      },
    },
    async (request) => {
      const { pageSize, after } = parsePage(request)
      const where = { project: projectId(projectOf(request).id), pageSize }
      const older = after === undefined ? {} : { beforeId: operationId(after) }
      const { operations, nextBeforeId } = await listOperations({ ...where, ...older }, ports)
      const next = nextBeforeId === undefined ? {} : { nextPageToken: renderPageToken(nextBeforeId, request) }
      return { operations: operations.map((one) => renderOperation(one, region)), ...next }
    },
  )
  server.get(
    `${collection}/:id`,
    {
      config,
      schema: {
        ...about('Operations', 'getOperation', 'Reads an operation'),
        params: InstancePath,
        querystring: NoQuery,
        response: { 200: OperationResource, ...errors },
      },
    },
    async (request, reply) => {
      const project = projectId(projectOf(request).id)
      const outcome = await readOperation({ project, id: request.params.id }, ports)
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      return renderOperation(outcome.value, region)
    },
  )
}

function renderOperation(operation: OperationRecord, region: string): Static<typeof OperationResource> {
  const { id, project, collection: of, targetId, endedAtMs } = operation
  const paths = resourcePaths(region)
  return {
    selfLink: paths.operation(project, id),
    id,
    type: `${of}.${operation.verb}`,
    target: of === 'disks' ? paths.disk(project, targetId) : paths.instance(project, targetId),
    targetUid: operation.targetUid,
    status: operation.status,
    ...(operation.error === undefined ? {} : { error: operation.error }),
    principal: operation.principal,
    requestId: operation.requestId,
    createdAt: formatTimestamp(operation.createdAtMs),
    ...(endedAtMs === undefined ? {} : { endedAt: formatTimestamp(endedAtMs) }),
  }
}

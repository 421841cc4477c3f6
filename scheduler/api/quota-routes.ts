import { Type } from 'typebox'
import type { Quota } from '../model/quota.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { listQuotas, setQuotas } from '../operations/quotas.ts'
import { about } from './about.ts'
import { operatorInProject, projectAccess, projectOf } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { pageOf } from './collection-routes.ts'
import { NoQuery, PageQuery, ProjectPath } from './parameters.ts'
import type { Server } from './server.ts'

const QuotaList = Type.Object(
  {
    quotas: Type.Array(
      Type.Object({
        id: Type.String({ description: 'vcpus, memoryMib, instances, disksGb, addresses or gpus/TYPE.' }),
        used: Type.Integer(),
        limit: Type.Optional(Type.Integer({ description: 'Absent: as much as there is.' })),
      }),
    ),
    nextPageToken: Type.Optional(Type.String()),
  },
  { title: 'QuotaList' },
)
const SetQuotas = Type.Object(
  {
    limits: Type.Unsafe<Readonly<Record<string, number | null>>>({
      type: 'object',
      additionalProperties: { type: ['integer', 'null'], minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
      description: 'The most of each; null for as much as there is. What is not named stays.',
    }),
  },
  { additionalProperties: false, title: 'SetQuotas' },
)

const path = '/v1/regions/:region/projects/:project/quotas'
const common = {
  params: ProjectPath,
  querystring: NoQuery,
  response: { 200: QuotaList, '4xx': ErrorBody, '5xx': ErrorBody },
}

export function addQuotaRoutes(server: Server, ports: OperationPorts): void {
  server.get(
    path,
    {
      config: { access: projectAccess('viewer') },
      schema: {
        ...about('Catalogue', 'listQuotas', 'Lists what the project uses and may use'),
        ...common,
        querystring: PageQuery,
      },
    },
    async (request) => {
      const quotas = await listQuotas({ project: projectOf(request).id }, ports)
      const page = pageOf(
        quotas.map(({ metric, ...quota }) => ({ id: metric, ...quota })),
        request,
      )
      return { quotas: [...page.items], ...page.token }
    },
  )
  server.put(
    path,
    {
      config: { access: operatorInProject },
      schema: {
        ...about('Catalogue', 'setQuotas', 'Sets what the project may use, for operators'),
        ...common,
        body: SetQuotas,
      },
    },
    async (request, reply) => {
      const outcome = await setQuotas({ project: projectOf(request).id, limits: request.body.limits }, ports)
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      return render(outcome.value)
    },
  )
}

const render = (quotas: readonly Quota[]) => ({
  quotas: quotas.map(({ metric, ...quota }) => ({ id: metric, ...quota })),
})

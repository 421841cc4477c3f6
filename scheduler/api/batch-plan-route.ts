import { type Static, Type } from 'typebox'
import type { BatchScheduling, InstanceRequest } from '../admission/instance-request.ts'
import type { Refusal } from '../errors.ts'
import { type BatchPlan, planInstances } from '../operations/plan-instances.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { about } from './about.ts'
import { principalOf, projectAccess, projectOf } from './access.ts'
import { answerRefusal, ErrorBody, ErrorDetails } from './answer.ts'
import { BatchRequest } from './batch-route.ts'
import { NoQuery, ProjectPath } from './parameters.ts'
import { PlanResource, renderPlan, Verdict } from './plan-route.ts'
import type { Server } from './server.ts'

const mostValues = 20

const BatchPlanResource = Type.Object(
  {
    verdict: Verdict,
    message: Type.String({ description: 'Where they do not fit, what batchCreate would say.' }),
    details: Type.Array(ErrorDetails.items, { description: 'The same rule by rule; none where they fit.' }),
    sameHostLabel: Type.Optional(
      Type.Object(
        {
          key: Type.String(),
          value: Type.Optional(Type.String({ description: 'What their hosts would share; where they fit.' })),
          valuesRefused: Type.Optional(
            Type.Integer({ description: 'How many values there are, where none has room for all of them.' }),
          ),
          nearest: Type.Optional(
            Type.Array(Type.Object({ value: Type.String(), roomFor: Type.Integer() }), {
              description: `Of these, those that have room for the most; no more than ${mostValues}.`,
            }),
          ),
        },
        { description: 'Where it was asked for.' },
      ),
    ),
    instances: Type.Array(
      Type.Object({
        id: Type.Optional(Type.String({ description: 'Where the request names one.' })),
        plan: Type.Optional(PlanResource),
      }),
      {
        description:
          'In the order of the request, each around those that are placed before it: the largest come first. Where no value of the label has room for all, as they would go to hosts of the nearest. Without a plan are those that had not had their turn when another was refused.',
      },
    ),
  },
  { title: 'InstanceBatchPlan' },
)

export function addBatchPlanRoute(server: Server, path: string, ports: OperationPorts): void {
  server.post(
    `${path}::batchPlan`,
    {
      config: { access: projectAccess('viewer') },
      schema: {
        ...about('Instances', 'planInstances', 'Says whether several would fit, all or none, and why'),
        params: ProjectPath,
        querystring: NoQuery,
        body: BatchRequest,
        response: { 200: BatchPlanResource, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    async (request, reply) => {
      const { instances: bodies, scheduling: batch } = request.body
      const { operator: isHostByHost } = principalOf(request)
      const outcome = await planInstances(
        {
          ...{ project: projectOf(request), bodies, serverHost: request.host, isHostByHost },
          ...(batch === undefined ? {} : { batch }),
        },
        ports,
      )
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      return renderBatchPlan(outcome.value, { bodies, batch, forOperator: isHostByHost })
    },
  )
}

function renderBatchPlan(
  plan: BatchPlan,
  {
    bodies,
    batch,
    forOperator,
  }: {
    readonly bodies: readonly InstanceRequest[]
    readonly batch: BatchScheduling | undefined
    readonly forOperator: boolean
  },
): Static<typeof BatchPlanResource> {
  const { refusal, value, members } = plan
  const key = batch?.sameHostLabel
  const shared = value === undefined ? '' : `, on hosts with ${key} ${value}`
  return {
    verdict: verdictOf(refusal),
    message: refusal?.message ?? `All of them fit now${shared}.`,
    details: [...(refusal?.problems ?? [])],
    ...(key === undefined ? {} : { sameHostLabel: { key, ...renderValues(plan) } }),
    instances: members.map((member, at) => {
      const id = bodies[at]?.id
      return {
        ...(id === undefined ? {} : { id }),
        ...(member === undefined ? {} : { plan: renderPlan(member, { forOperator }) }),
      }
    }),
  }
}

const renderValues = ({ value, rooms }: BatchPlan) => ({
  ...(value === undefined ? {} : { value }),
  ...(rooms === undefined ? {} : { valuesRefused: rooms.length, nearest: rooms.slice(0, mostValues) }),
})

function verdictOf(refusal: Refusal | undefined) {
  if (refusal === undefined) return 'FITS'
  return refusal.problems.some(({ reason }) => reason === 'CAN_NEVER_FIT') ? 'NEVER' : 'NOT_NOW'
}

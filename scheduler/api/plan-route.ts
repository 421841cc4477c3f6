import { type Static, Type } from 'typebox'
import { InstanceRequest } from '../admission/instance-request.ts'
import { type PlacementVerdict, placementRules } from '../model/placement.ts'
import { type Counterfactual, type InstancePlan, planInstance } from '../operations/plan-instance.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { about } from './about.ts'
import { principalOf, projectAccess, projectOf } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { refuseMisshapen } from './create-route.ts'
import { NoQuery, ProjectPath } from './parameters.ts'
import { CellResource } from './placement-route.ts'
import type { Server } from './server.ts'

const rule = Type.Enum([...placementRules])

export const Verdict = Type.Enum(['FITS', 'NOT_NOW', 'NEVER'], {
  description: 'NOT_NOW: there would be room once others are gone. NEVER: not even then.',
})

export const PlanResource = Type.Object(
  {
    verdict: Verdict,
    message: Type.String(),
    demand: Type.Object({
      zone: Type.String(),
      vcpus: Type.Integer(),
      memoryMib: Type.Integer(),
      diskGb: Type.Integer(),
      architecture: Type.String(),
      gpus: Type.Array(Type.Object({ type: Type.String(), count: Type.Integer() })),
      features: Type.Optional(
        Type.Array(Type.String(), { description: 'What the host must be able to do.' }),
      ),
      uplinks: Type.Optional(
        Type.Array(Type.Object({ physicalNetwork: Type.String(), mtu: Type.Integer() }), {
          description: 'What its networks leave the host by.',
        }),
      ),
    }),
    hostsConsidered: Type.Integer(),
    rules: Type.Array(
      Type.Object({
        rule,
        hostsRefused: Type.Integer(),
        hostsLeft: Type.Optional(
          Type.Integer({ description: 'Of the zone, after this rule and those before it.' }),
        ),
        field: Type.String(),
        message: Type.String(),
      }),
      { description: 'Rules that ruled hosts out, in the order in which they are asked.' },
    ),
    counterfactuals: Type.Array(
      Type.Object({
        field: Type.String({ description: 'Of the request.' }),
        value: Type.Union([Type.Integer(), Type.String()]),
        message: Type.String(),
      }),
      { description: 'Each by itself would make it fit now.' },
    ),
    placement: Type.Optional(
      Type.Object(
        {
          host: Type.Optional(Type.String()),
          devices: Type.Optional(Type.Array(Type.Object({ type: Type.String(), address: Type.String() }))),
          cells: Type.Optional(
            Type.Array(CellResource, {
              description: "What it would be counted with in the host's NUMA cells, where they are known.",
            }),
          ),
          scores: Type.Record(Type.String(), Type.Number()),
          refusals: Type.Array(
            Type.Object({ host: Type.String(), rule, message: Type.String(), couldEverFit: Type.Boolean() }),
          ),
        },
        { description: 'Host by host: for operators alone.' },
      ),
    ),
  },
  { title: 'InstancePlan' },
)

export function addPlanRoute(server: Server, path: string, ports: OperationPorts): void {
  server.post(
    `${path}::plan`,
    {
      attachValidation: true,
      config: { access: projectAccess('viewer') },
      schema: {
        ...about('Instances', 'planInstance', 'Says whether a create would fit, and why'),
        params: ProjectPath,
        querystring: NoQuery,
        body: InstanceRequest,
        response: { 200: PlanResource, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    async (request, reply) => {
      const misshapen = await refuseMisshapen(request, ports)
      if (misshapen !== undefined) return answerRefusal(reply, misshapen)
      const { body, host: serverHost } = request
      const { operator: isHostByHost } = principalOf(request)
      const outcome = await planInstance(
        { project: projectOf(request), body, serverHost, isHostByHost },
        ports,
      )
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      return renderPlan(outcome.value, { forOperator: isHostByHost })
    },
  )
}

const verdicts = { placed: 'FITS', 'not-now': 'NOT_NOW', 'never-fits': 'NEVER' } as const

export function renderPlan(
  { verdict, demand, rules, counterfactuals }: InstancePlan,
  { forOperator }: { forOperator: boolean },
): Static<typeof PlanResource> {
  const { hostsConsidered, refusals, scores } = verdict.explanation
  return {
    verdict: verdicts[verdict.kind],
    message: verdict.kind === 'placed' ? 'It fits now.' : verdict.message,
    demand: renderDemand(demand),
    hostsConsidered,
    rules: rules.map(({ hosts, ...outcome }) => ({ ...outcome, hostsRefused: hosts })),
    counterfactuals: counterfactuals.map(renderCounterfactual),
    ...(forOperator
      ? {
          placement: {
            ...(verdict.kind === 'placed' ? renderPlace(verdict) : {}),
            scores: { ...scores },
            refusals: refusals.map(({ hostId, ...refusal }) => ({ host: hostId, ...refusal })),
          },
        }
      : {}),
  }
}

const renderPlace = ({ hostId, devices, cells }: Extract<PlacementVerdict, { kind: 'placed' }>) => ({
  host: hostId,
  devices: [...devices],
  ...(cells === undefined ? {} : { cells: [...cells] }),
})

/** On which host a disk is, is nobody's business. */
const renderDemand = ({ volumes: _, features, uplinks, ...demand }: InstancePlan['demand']) => ({
  ...demand,
  ...(features === undefined ? {} : { features: [...features] }),
  ...(uplinks === undefined ? {} : { uplinks: [...uplinks] }),
  gpus: [...demand.gpus],
})

function renderCounterfactual(less: Counterfactual) {
  switch (less.kind) {
    case 'gpus':
      return less.count === 0
        ? { field: 'gpus', value: 0, message: `Without GPUs of ${less.type} it would fit now.` }
        : {
            field: 'gpus',
            value: less.count,
            message: `With ${less.count} of ${less.type} it would fit now.`,
          }
    case 'disk':
      return {
        field: 'disks',
        value: less.diskGb,
        message: `With ${less.diskGb} GB of disk it would fit now.`,
      }
    case 'type':
      return { field: 'type', value: less.type, message: `As ${less.type} it would fit now.` }
  }
}

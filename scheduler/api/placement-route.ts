import { type Static, Type } from 'typebox'
import { renderCpuList } from '../../proto/cpu-list.ts'
import { projectId } from '../../proto/ids.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import type { HostPart, InstanceRecord } from '../model/instance.ts'
import { type PlacementExplanation, placementRules } from '../model/placement.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { readInstance } from '../operations/read-instance.ts'
import { describeRefusals } from '../operations/refuse-placement.ts'
import { about } from './about.ts'
import { operatorInProject } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { InstancePath, NoQuery } from './parameters.ts'
import type { Server } from './server.ts'
import { instancePath } from './verb-routes.ts'

export const CellResource = Type.Object({
  numaNode: Type.Integer(),
  vcpus: Type.Integer(),
  memoryMib: Type.Integer(),
})

const PlacementResource = Type.Object(
  {
    selfLink: Type.String(),
    host: Type.String(),
    devices: Type.Array(Type.Object({ type: Type.String(), address: Type.String() })),
    cells: Type.Array(CellResource, {
      description:
        "What it is counted with in its host's NUMA cells: where its host says that it is; until that is told, or where it is bound to none, what was chosen. Empty where the cells are not known.",
    }),
    onHost: Type.Optional(
      Type.Object(
        {
          numaNodes: Type.Array(Type.Integer(), {
            description:
              'That it runs on and has its memory from, in even parts; none where it may be anywhere.',
          }),
          ownCpus: Type.Optional(
            Type.String({
              description:
                'Of the host, such as 0-3,8: no other guest is pinned to them. Absent where it shares.',
            }),
          ),
          drift: Type.Optional(
            Type.Object(
              { chosenCells: Type.Array(CellResource), message: Type.String() },
              { description: 'Where it is not in the cells that were chosen for it.' },
            ),
          ),
        },
        {
          description:
            'As its host has it since its last start. Absent of one that does not run, of one with neither GPUs nor cells, and where the agent does not tell.',
        },
      ),
    ),
    seed: Type.String({
      description: 'The same seed, request and hosts give the same answer: of equal hosts it has chosen.',
    }),
    hostsConsidered: Type.Integer({ description: 'Of the fleet when it was placed.' }),
    scores: Type.Record(Type.String(), Type.Number(), {
      description: 'Of the host that was chosen, weighted; they are added up, and the highest wins.',
    }),
    rules: Type.Optional(
      Type.Array(
        Type.Object({
          rule: Type.Enum([...placementRules]),
          hostsRefused: Type.Integer(),
          hostsLeft: Type.Integer({ description: 'After this rule and those before it.' }),
        }),
        {
          description:
            'Rules that ruled hosts of the zone out when it was placed, in the order in which they are asked. Absent of what was placed before they were kept, and of the first of its kind on a large fleet.',
        },
      ),
    ),
    asked: Type.Object({
      zone: Type.String(),
      vcpus: Type.Integer(),
      memoryMib: Type.Integer(),
      diskGb: Type.Integer(),
      gpus: Type.Array(Type.Object({ type: Type.String(), count: Type.Integer() })),
    }),
  },
  { title: 'InstancePlacement' },
)

/** Why an instance is where it is, as it was decided: for operators, for it names hosts and devices. */
export function addPlacementRoute(server: Server, ports: OperationPorts): void {
  server.get(
    `${instancePath}/placement`,
    {
      config: { access: operatorInProject },
      schema: {
        ...about(
          'Instances',
          'getInstancePlacement',
          'Says where an instance is and why there, for operators',
        ),
        params: InstancePath,
        querystring: NoQuery,
        response: { 200: PlacementResource, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    async (request, reply) => {
      const { project, id } = request.params
      const outcome = await readInstance({ project: projectId(project), idOrUid: id }, ports)
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      return render(outcome.value, ports.catalogue.region)
    },
  )
}

function render(
  { project, id, hostId, spec, demand, holds, hostPart, explanation }: InstanceRecord,
  region: string,
): Static<typeof PlacementResource> {
  const paths = resourcePaths(region)
  const { zone, vcpus, memoryMib, diskGb, gpus } = demand
  return {
    selfLink: `${paths.instance(project, id)}/placement`,
    host: paths.host(hostId),
    devices: spec.gpus.map(({ type, address }) => ({ type, address })),
    cells: demand.cells === undefined ? [] : [...demand.cells],
    ...(hostPart === undefined || holds !== 'everything' ? {} : { onHost: renderPart(hostPart, spec) }),
    seed: explanation.seed,
    hostsConsidered: explanation.hostsConsidered,
    scores: { ...explanation.scores },
    ...renderRules(explanation),
    asked: { zone, vcpus, memoryMib, diskGb, gpus: gpus.map(({ type, count }) => ({ type, count })) },
  }
}

const renderPart = ({ numaNodes, cpus, drift }: HostPart, { cells }: InstanceRecord['spec']) => ({
  numaNodes: [...numaNodes],
  ...(cpus.length === 0 ? {} : { ownCpus: renderCpuList(cpus) }),
  ...(drift === undefined ? {} : { drift: { chosenCells: [...cells], message: drift } }),
})

function renderRules(explanation: PlacementExplanation) {
  if (explanation.refusedBy === undefined || explanation.hostsFit === undefined) return {}
  const rules = describeRefusals(explanation).map(({ rule, hosts, hostsLeft = 0 }) => ({
    ...{ rule, hostsRefused: hosts, hostsLeft },
  }))
  return { rules }
}

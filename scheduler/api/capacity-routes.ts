import { type Static, Type } from 'typebox'
import { resourcePaths } from '../admission/resource-path.ts'
import { adviseCapacity, type CapacityAdvice } from '../operations/advise-capacity.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { type GpuCapacity, readCapacity } from '../operations/read-capacity.ts'
import { about } from './about.ts'
import { operatorOnly } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { NoQuery, parseInteger } from './parameters.ts'
import type { Server } from './server.ts'

const share =
  "As many GPUs at once, with three quarters of their host's share of vCPUs and memory for each of them."

const Capacity = Type.Object(
  {
    capacity: Type.Array(
      Type.Object({
        zone: Type.String(),
        acceleratorType: Type.String(),
        hosts: Type.Object({
          total: Type.Integer(),
          ready: Type.Integer({ description: 'Connected, and neither cordoned nor fenced.' }),
        }),
        gpus: Type.Object({
          total: Type.Integer(),
          claimed: Type.Integer({ description: 'Instances and reservations have them.' }),
          free: Type.Integer({ description: 'On hosts that are ready, for every project.' }),
          keptForProject: Type.Integer({
            description:
              'Free on hosts that are ready, and kept for their last project: nothing has scrubbed them.',
          }),
          unavailable: Type.Integer({
            description:
              'All others: on their way back, quarantined, absent, or on hosts that are not ready.',
          }),
          stranded: Type.Integer({
            description: 'Free, and of no use to a request of any size, for want of vCPUs or memory.',
          }),
        }),
        placeable: Type.Array(
          Type.Object({
            gpus: Type.Integer({ description: share }),
            requests: Type.Integer({ description: 'How many of this size would fit now, and no others.' }),
          }),
          { description: 'By size, the largest first.' },
        ),
        largestPlaceable: Type.Integer({ description: 'Of these sizes; 0 where none fits.' }),
      }),
      { description: 'For each zone and type of GPU.' },
    ),
  },
  { title: 'Capacity' },
)

const AdviceQuery = Type.Object(
  {
    zone: Type.String(),
    gpuType: Type.String({ description: 'Id of an accelerator type of the zone.' }),
    gpus: Type.String({ description: 'How many one request is to find room for.' }),
  },
  { additionalProperties: false },
)

const Advice = Type.Object(
  {
    verdict: Type.Enum(['FITS', 'MOVE', 'NOTHING_HELPS'], {
      description:
        'FITS: it would be placed as things are. MOVE: once the instances of `moves` are elsewhere.',
    }),
    host: Type.Optional(Type.String({ description: 'That takes it.' })),
    movedGpus: Type.Integer(),
    moves: Type.Array(
      Type.Object({
        instance: Type.String(),
        gpus: Type.Integer(),
        to: Type.String({ description: 'A host with room for it, around all others that are moved.' }),
      }),
      {
        description:
          'Guests with GPUs cannot move while they run: these are to be deleted, the request is to be made, then these anew.',
      },
    ),
    hostsConsidered: Type.Integer({ description: 'Hosts whose instances were looked at.' }),
  },
  { title: 'CapacityAdvice' },
)

/** What could be placed now, and what would make room for more, for operators. */
export function addCapacityRoutes(server: Server, ports: OperationPorts): void {
  server.get(
    '/v1/regions/:region/capacity',
    {
      config: { access: operatorOnly },
      schema: {
        ...about(
          'Hosts',
          'getCapacity',
          'Says how many GPUs are free and which requests would fit, for operators',
        ),
        params: Type.Object({ region: Type.String() }),
        querystring: NoQuery,
        response: { 200: Capacity, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    () => ({ capacity: readCapacity(ports).map((one) => render(one, ports.catalogue.region)) }),
  )
  server.get(
    '/v1/regions/:region/capacity::advise',
    {
      config: { access: operatorOnly },
      schema: {
        ...about(
          'Hosts',
          'adviseCapacity',
          'Says which instances would have to move to make room, for operators',
        ),
        params: Type.Object({ region: Type.String() }),
        querystring: AdviceQuery,
        response: { 200: Advice, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    async (request, reply) => {
      const { zone, gpuType: type } = request.query
      const bounds = { name: 'gpus', minimum: 1n, maximum: 64n, absent: 1n }
      const gpus = Number(parseInteger(request.query.gpus, bounds))
      const outcome = await adviseCapacity({ zone, type, gpus }, ports)
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      return renderAdvice(outcome.value, ports.catalogue.region)
    },
  )
}

const verdicts = { fits: 'FITS', moves: 'MOVE', none: 'NOTHING_HELPS' } as const

function renderAdvice(advice: CapacityAdvice, region: string): Static<typeof Advice> {
  const paths = resourcePaths(region)
  const moves = advice.kind === 'moves' ? advice.moves : []
  return {
    verdict: verdicts[advice.kind],
    ...(advice.kind === 'none' ? {} : { host: paths.host(advice.hostId) }),
    movedGpus: advice.kind === 'moves' ? advice.movedGpus : 0,
    moves: moves.map(({ project, id, gpus, to }) => ({
      ...{ instance: paths.instance(project, id), gpus, to: paths.host(to) },
    })),
    hostsConsidered: advice.kind === 'fits' ? 0 : advice.hostsConsidered,
  }
}

function render(
  { zone, type, hosts, readyHosts, placeable, largest, ...gpus }: GpuCapacity,
  region: string,
): Static<typeof Capacity>['capacity'][number] {
  const paths = resourcePaths(region)
  return {
    zone: paths.zone(zone),
    acceleratorType: paths.acceleratorType(zone, type),
    hosts: { total: hosts, ready: readyHosts },
    gpus: {
      ...{ total: gpus.gpus, claimed: gpus.claimed, free: gpus.free, keptForProject: gpus.kept },
      ...{ unavailable: gpus.unavailable, stranded: gpus.stranded },
    },
    placeable: placeable.map((one) => ({ ...one })),
    largestPlaceable: largest,
  }
}

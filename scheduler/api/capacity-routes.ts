import { type Static, Type } from 'typebox'
import { resourcePaths } from '../admission/resource-path.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { type GpuCapacity, readCapacity } from '../operations/read-capacity.ts'
import { about } from './about.ts'
import { operatorOnly } from './access.ts'
import { ErrorBody } from './answer.ts'
import { NoQuery } from './parameters.ts'
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

/** What could be placed now, for operators. */
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
    gpus: { total: gpus.gpus, claimed: gpus.claimed, free: gpus.free, stranded: gpus.stranded },
    placeable: placeable.map((one) => ({ ...one })),
    largestPlaceable: largest,
  }
}

import { Type } from 'typebox'
import { projectId } from '../../proto/ids.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { readGuestAttributes } from '../operations/read-guest-attributes.ts'
import { listInstanceEvents, listInstances, readInstance } from '../operations/read-instance.ts'
import { readSerial } from '../operations/read-serial.ts'
import { about } from './about.ts'
import { projectAccess, projectOf } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { addBatchPlanRoute } from './batch-plan-route.ts'
import { addBatchRoute } from './batch-route.ts'
import { addCreateRoute } from './create-route.ts'
import {
  EventResource,
  entityTagOf,
  InstanceResource,
  renderEvent,
  renderInstance,
} from './instance-resource.ts'
import { ListQuery, parseListQuery, renderListToken } from './list-query.ts'
import { InstancePath, NoQuery, ProjectPath, parseInteger } from './parameters.ts'
import { addPlacementRoute } from './placement-route.ts'
import { addPlanRoute } from './plan-route.ts'
import type { Server } from './server.ts'
import { addUpdateRoute } from './update-route.ts'
import { addVerbRoutes, instancePath } from './verb-routes.ts'
import { addWatches, isWatch, WatchQuery } from './watch.ts'

const collection = '/v1/regions/:region/projects/:project/compute/instances'
const errors = { '4xx': ErrorBody, '5xx': ErrorBody }
const int64 = { minimum: -(2n ** 63n), maximum: 2n ** 63n - 1n }

const SerialQuery = Type.Object(
  { port: Type.Optional(Type.String()), start: Type.Optional(Type.String()) },
  { additionalProperties: false },
)
const SerialResource = Type.Object(
  {
    selfLink: Type.String(),
    contents: Type.String(),
    start: Type.String({
      description: 'Offset of the first byte; later than asked where the beginning is gone.',
    }),
    next: Type.String({ description: 'What to ask for as start next time.' }),
  },
  { title: 'SerialOutput' },
)

const AttributesQuery = Type.Object(
  {
    queryPath: Type.Optional(Type.String({ description: 'NAMESPACE/ or NAMESPACE/KEY; all where absent.' })),
  },
  { additionalProperties: false },
)
const AttributesResource = Type.Object(
  {
    selfLink: Type.String(),
    queryPath: Type.Optional(Type.String()),
    queryValue: Type.Object({
      items: Type.Array(Type.Object({ namespace: Type.String(), key: Type.String(), value: Type.String() })),
    }),
  },
  { title: 'GuestAttributes' },
)

export function addInstanceRoutes(server: Server, ports: OperationPorts): void {
  const { region } = ports.catalogue
  const viewer = { access: projectAccess('viewer') }
  const watches = addWatches(server, ports)
  addCreateRoute(server, collection, ports)
  addPlanRoute(server, collection, ports)
  addBatchRoute(server, collection, ports)
  addBatchPlanRoute(server, collection, ports)
  addUpdateRoute(server, ports)
  addVerbRoutes(server, ports)
  addPlacementRoute(server, ports)

  server.get(
    collection,
    {
      config: viewer,
      schema: {
        ...about('Instances', 'listInstances', 'Lists instances, or streams their changes'),
        params: ProjectPath,
        querystring: ListQuery,
        response: {
          200: Type.Object({
            instances: Type.Array(InstanceResource),
            nextPageToken: Type.Optional(Type.String()),
          }),
          ...errors,
        },
      },
    },
    async (request, reply) => {
      const { query } = request
      const project = projectId(projectOf(request).id)
      if (isWatch(query)) {
        const { filter: filterText } = query
        const { filter } = parseListQuery(filterText === undefined ? {} : { filter: filterText })
        const what = filter === undefined || filterText === undefined ? {} : { filter, filterText }
        return watches.stream(request, reply, { project, ...what })
      }
      const { instances, next } = await listInstances({ project, ...parseListQuery(query) }, ports)
      return {
        instances: instances.map((instance) => renderInstance(instance, region)),
        ...(next === undefined ? {} : { nextPageToken: renderListToken(next, query) }),
      }
    },
  )

  server.get(
    instancePath,
    {
      config: viewer,
      schema: {
        ...about('Instances', 'getInstance', 'Reads an instance, or streams its changes'),
        params: InstancePath,
        querystring: WatchQuery,
        response: { 200: InstanceResource, ...errors },
      },
    },
    async (request, reply) => {
      const outcome = await readInstance(addressOf(request.params), ports)
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      const { project, uid } = outcome.value
      if (isWatch(request.query)) return watches.stream(request, reply, { project, uid })
      void reply.header('etag', entityTagOf(outcome.value))
      return renderInstance(outcome.value, region)
    },
  )

  server.get(
    `${instancePath}/events`,
    {
      config: viewer,
      schema: {
        ...about('Instances', 'listInstanceEvents', 'Lists what happened to an instance'),
        params: InstancePath,
        querystring: NoQuery,
        response: { 200: Type.Object({ events: Type.Array(EventResource) }), ...errors },
      },
    },
    async (request, reply) => {
      const outcome = await listInstanceEvents(addressOf(request.params), ports)
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      return { events: outcome.value.map(renderEvent) }
    },
  )

  server.get(
    `${instancePath}/serialPort`,
    {
      config: viewer,
      schema: {
        ...about('Instances', 'readSerialPort', 'Reads what the guest wrote to its serial port'),
        params: InstancePath,
        querystring: SerialQuery,
        response: { 200: SerialResource, ...errors },
      },
    },
    async (request, reply) => {
      const address = addressOf(request.params)
      const { query } = request
      const port = Number(parseInteger(query.port, { name: 'port', minimum: 1n, maximum: 1n, absent: 1n }))
      const start = parseInteger(query.start, { name: 'start', ...int64, absent: 0n })
      const outcome = await readSerial({ ...address, port, start }, ports)
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      const { instanceId, contents, next, start: first } = outcome.value
      const selfLink = `${resourcePaths(region).instance(address.project, instanceId)}/serialPort`
      return { selfLink, contents, start: String(first), next: String(next) }
    },
  )

  server.get(
    `${instancePath}/guestAttributes`,
    {
      config: viewer,
      schema: {
        ...about('Instances', 'readGuestAttributes', 'Reads what the guest has put in its guest attributes'),
        params: InstancePath,
        querystring: AttributesQuery,
        response: { 200: AttributesResource, ...errors },
      },
    },
    async (request, reply) => {
      const address = addressOf(request.params)
      const { queryPath = '' } = request.query
      const outcome = await readGuestAttributes({ ...address, queryPath }, ports)
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      const { instanceId, items } = outcome.value
      return {
        selfLink: `${resourcePaths(region).instance(address.project, instanceId)}/guestAttributes`,
        ...(queryPath === '' ? {} : { queryPath }),
        queryValue: { items: [...items] },
      }
    },
  )
}

const addressOf = (params: { project: string; id: string }) => ({
  project: projectId(params.project),
  idOrUid: params.id,
})

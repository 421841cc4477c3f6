import { type Static, type TSchema, Type } from 'typebox'
import { formatTimestamp } from '../../lib/clock.ts'
import { deviceStates } from '../../proto/device-state.ts'
import { Accelerator } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import { hostId } from '../../proto/ids.ts'
import { LabelPatch } from '../admission/instance-request.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import { longestNoticeMs } from '../lifecycle/verbs.ts'
import { changeHost, type HostVerb, hostVerbs } from '../operations/change-host.ts'
import { labelHost } from '../operations/label-host.ts'
import { type HostView, listHosts } from '../operations/list-hosts.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { about } from './about.ts'
import { operatorOnly, principalOf } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { addCollection } from './collection-routes.ts'
import { addDeviceRoutes } from './device-routes.ts'
import { HostPartitions, renderPartitions } from './host-partitions.ts'
import { NoQuery, noBody } from './parameters.ts'
import type { Server } from './server.ts'

const Counter = Type.Object({ capacity: Type.Number(), used: Type.Number() })

const HostResource = Type.Object(
  {
    selfLink: Type.String(),
    id: Type.String(),
    zone: Type.String(),
    state: Type.Enum(['ready', 'cordoned', 'fenced']),
    connected: Type.Boolean(),
    agentVersion: Type.String(),
    architecture: Type.String(),
    kernel: Type.String(),
    vcpus: Counter,
    memoryMib: Counter,
    diskGb: Counter,
    cells: Type.Array(Type.Object({ numaNode: Type.Integer(), vcpus: Counter, memoryMib: Counter }), {
      description:
        'What of its vCPUs and memory is in which NUMA cell. Empty where it is one cell, or its agent does not tell.',
    }),
    devices: Type.Array(
      Type.Object({
        address: Type.String(),
        acceleratorType: Type.Optional(Type.String()),
        numaNode: Type.Integer(),
        present: Type.Boolean(),
        state: Type.Enum([...deviceStates]),
        reason: Type.Optional(Type.String()),
        claimedBy: Type.Optional(Type.String()),
      }),
    ),
    partitions: HostPartitions,
    labels: Type.Unsafe<Record<string, string>>({
      ...{ type: 'object', additionalProperties: { type: 'string' } },
      description: 'What operators have written on it, for scheduling.hostLabels of instances.',
    }),
    features: Type.Array(Type.String(), { description: 'What it can do, as its agent says.' }),
    uplinks: Type.Array(
      Type.Object({
        interface: Type.String(),
        physicalNetwork: Type.String(),
        mtu: Type.Integer(),
        members: Type.Array(Type.String(), { description: 'Of a bond.' }),
      }),
      { description: 'Where networks with a VLAN leave it.' },
    ),
    virtualization: Type.Object({
      accelerator: Type.String(),
      reason: Type.String(),
      qemuVersion: Type.String(),
    }),
    warnings: Type.Array(Type.Object({ code: Type.String(), message: Type.String() })),
    updatedAt: Type.String({ format: 'date-time' }),
  },
  { title: 'Host' },
)

const acceleratorNames = new Map<Accelerator, string>([
  [Accelerator.KVM, 'kvm'],
  [Accelerator.TCG, 'tcg'],
])

/** Hosts are the operators' business: no tenant ever sees one. */
export function addHostRoutes(server: Server, ports: OperationPorts): void {
  addCollection(server, {
    path: '/v1/regions/:region/hosts',
    plural: 'hosts',
    noun: 'Host',
    access: operatorOnly,
    schema: HostResource,
    list: async () => (await listHosts(ports)).map((host) => ({ id: host.hostId, host })),
    render: ({ host }) => renderHost(host, ports.catalogue.region),
  })
  addHostVerbs(server, ports)
  addHostPatch(server, ports)
  addDeviceRoutes(server, ports)
}

const FenceBody = Type.Object(
  { confirm: Type.String({ description: "The host's id, from whoever has made sure that it is off." }) },
  { additionalProperties: false, title: 'FenceHost' },
)
const DrainBody = Type.Unsafe<{ noticeSeconds?: number } | null>({
  type: ['object', 'null'],
  properties: {
    noticeSeconds: {
      ...{ type: 'integer', minimum: 0, maximum: longestNoticeMs / 1000 },
      description: 'How long guests are told before they are asked to power off; 60 where absent.',
    },
  },
  additionalProperties: false,
})
const bodies: Readonly<Record<HostVerb, TSchema>> = {
  ...{ cordon: noBody, uncordon: noBody, drain: DrainBody, fence: FenceBody },
}
const summaries: Readonly<Record<HostVerb, string>> = {
  cordon: 'Keeps new instances away from a host',
  uncordon: 'Lets a host take instances again, and starts those that a drain has stopped',
  drain: 'Cordons a host, tells its guests, and stops them after a notice',
  fence: 'Gives up a host that is gone for good, with its instances',
}

function addHostVerbs(server: Server, ports: OperationPorts): void {
  for (const verb of hostVerbs) {
    server.post(
      `/v1/regions/:region/hosts/:id(^[^:/]+)::${verb}`,
      {
        config: { access: operatorOnly },
        schema: {
          ...about('Hosts', `${verb}Host`, summaries[verb]),
          params: Type.Object({ region: Type.String(), id: Type.String() }),
          querystring: NoQuery,
          body: bodies[verb],
          response: { 200: HostResource, '4xx': ErrorBody, '5xx': ErrorBody },
        },
      },
      async (request, reply) => {
        const { confirm, noticeSeconds } = (request.body ?? {}) as {
          confirm?: string
          noticeSeconds?: number
        }
        const outcome = await changeHost(
          {
            ...{ verb, hostId: hostId(request.params.id), requestId: request.id },
            principal: principalOf(request).subject,
            ...(confirm === undefined ? {} : { confirm }),
            ...(noticeSeconds === undefined ? {} : { noticeMs: noticeSeconds * 1000 }),
          },
          ports,
        )
        if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
        return renderHost(outcome.value, ports.catalogue.region)
      },
    )
  }
}

const HostPatch = Type.Object(
  { labels: LabelPatch },
  { additionalProperties: false, title: 'HostPatch', description: 'A merge patch (RFC 7396).' },
)

function addHostPatch(server: Server, ports: OperationPorts): void {
  server.patch(
    '/v1/regions/:region/hosts/:id',
    {
      config: { access: operatorOnly },
      schema: {
        ...about('Hosts', 'updateHost', 'Changes the labels of a host; what is placed there stays'),
        params: Type.Object({ region: Type.String(), id: Type.String() }),
        querystring: NoQuery,
        body: HostPatch,
        response: { 200: HostResource, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    async (request, reply) => {
      const { labels: patch } = request.body
      const outcome = await labelHost({ hostId: hostId(request.params.id), patch }, ports)
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      return renderHost(outcome.value, ports.catalogue.region)
    },
  )
}

function renderHost(host: HostView, region: string): Static<typeof HostResource> {
  const { facts } = host
  const paths = resourcePaths(region)
  return {
    selfLink: paths.host(host.hostId),
    id: host.hostId,
    zone: paths.zone(host.zone),
    state: host.state,
    connected: host.connected,
    agentVersion: host.agentVersion,
    architecture: host.architecture,
    kernel: facts.kernel,
    vcpus: host.vcpus,
    memoryMib: host.memoryMib,
    diskGb: host.diskGb,
    cells: [...(host.cells ?? [])],
    devices: host.devices.map(({ address, acceleratorType, numaNode, present, ...device }) => ({
      ...{ address, numaNode, present, state: device.state ?? 'FREE' },
      ...(acceleratorType === undefined ? {} : { acceleratorType }),
      ...(device.reason === undefined ? {} : { reason: device.reason }),
      ...(device.claimedBy === undefined ? {} : { claimedBy: device.claimedBy }),
    })),
    partitions: renderPartitions(host),
    labels: host.labels ?? {},
    features: [...facts.features],
    uplinks: facts.uplinks.map(({ physicalNetwork, mtu, members, ...uplink }) => ({
      ...{ interface: uplink.interface, physicalNetwork, mtu, members: [...members] },
    })),
    virtualization: {
      accelerator:
        acceleratorNames.get(facts.virtualization?.accelerator ?? Accelerator.UNSPECIFIED) ?? 'unknown',
      reason: facts.virtualization?.reason ?? '',
      qemuVersion: facts.virtualization?.qemuVersion ?? '',
    },
    warnings: facts.warnings.map(({ code, message }) => ({ code, message })),
    updatedAt: formatTimestamp(host.updatedAtMs),
  }
}

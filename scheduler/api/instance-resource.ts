import { type Static, Type } from 'typebox'
import { formatTimestamp } from '../../lib/clock.ts'
import { instanceStatuses } from '../../proto/instance-state.ts'
import { MetadataItem, SchedulingRequest } from '../admission/instance-request.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import type { InstanceEvent, InstanceRecord, InstanceScheduling } from '../model/instance.ts'
import { gpuTopologies } from '../model/placement.ts'

/** The published instance; what is absent in it is left out, never null. */
export const InstanceResource = Type.Object(
  {
    selfLink: Type.String(),
    uid: Type.String({ format: 'uuid' }),
    id: Type.String(),
    displayName: Type.Optional(Type.String()),
    description: Type.Optional(Type.String()),
    labels: Type.Unsafe<Record<string, string>>({ type: 'object', additionalProperties: { type: 'string' } }),
    type: Type.String(),
    instanceMetadata: Type.Array(MetadataItem),
    hostname: Type.String(),
    lifecycle: Type.Object({
      status: Type.Enum([...instanceStatuses]),
      statusMessage: Type.String(),
      reason: Type.String(),
      since: Type.String({ format: 'date-time' }),
      operationId: Type.Optional(Type.String({ description: 'The newest operation on it.' })),
    }),
    disks: Type.Array(
      Type.Object({
        deviceName: Type.String(),
        sizeGb: Type.Integer(),
        interface: Type.String(),
        source: Type.Optional(Type.String()),
        boot: Type.Boolean(),
        type: Type.String(),
        mode: Type.String(),
        autoDelete: Type.Boolean(),
      }),
    ),
    nics: Type.Array(
      Type.Object({
        name: Type.String(),
        network: Type.String(),
        subnet: Type.String(),
        ipv4Address: Type.Optional(Type.String()),
        ipv6Address: Type.Optional(Type.String()),
        vlan: Type.Optional(Type.Integer()),
        macAddress: Type.String(),
        networkMbps: Type.Optional(
          Type.Integer({ description: 'What passes in each direction; no limit where absent.' }),
        ),
      }),
    ),
    gpus: Type.Array(
      Type.Object({
        type: Type.String(),
        count: Type.Integer(),
        topology: Type.Optional(Type.Enum([...gpuTopologies], { description: 'any where absent.' })),
      }),
    ),
    reservation: Type.Optional(Type.String()),
    scheduling: Type.Optional(SchedulingRequest),
    createdAt: Type.String({ format: 'date-time' }),
    updatedAt: Type.String({ format: 'date-time' }),
  },
  { title: 'Instance' },
)

export type InstanceResource = Static<typeof InstanceResource>

export function renderInstance(instance: InstanceRecord, region: string): InstanceResource {
  const { details } = instance
  return {
    selfLink: resourcePaths(region).instance(instance.project, instance.id),
    uid: instance.uid,
    id: instance.id,
    ...(details.displayName === undefined ? {} : { displayName: details.displayName }),
    ...(details.description === undefined ? {} : { description: details.description }),
    labels: details.labels,
    type: details.type,
    instanceMetadata: details.instanceMetadata.map(({ key, value }) => ({ key, value })),
    hostname: details.hostname,
    lifecycle: {
      status: instance.status,
      statusMessage: [instance.statusMessage, ...(details.warnings ?? [])].join(' '),
      reason: instance.reason,
      since: formatTimestamp(instance.statusSinceMs),
      ...(instance.operationId === '' ? {} : { operationId: instance.operationId }),
    },
    disks: [...details.disks],
    nics: [...details.nics],
    gpus: [...details.gpus],
    ...(details.reservation === undefined ? {} : { reservation: details.reservation }),
    ...(details.scheduling === undefined ? {} : { scheduling: renderScheduling(details.scheduling) }),
    createdAt: formatTimestamp(instance.createdAtMs),
    updatedAt: formatTimestamp(instance.updatedAtMs),
  }
}

const renderScheduling = ({
  affinity,
  antiAffinity,
  ...scheduling
}: InstanceScheduling): SchedulingRequest => ({
  ...scheduling,
  ...(affinity === undefined ? {} : { affinity: [...affinity] }),
  ...(antiAffinity === undefined ? {} : { antiAffinity: [...antiAffinity] }),
})

export const EventResource = Type.Object(
  {
    sequence: Type.Integer(),
    from: Type.Optional(Type.String()),
    to: Type.Optional(Type.String()),
    reason: Type.String(),
    message: Type.String(),
    at: Type.String({ format: 'date-time' }),
    requestId: Type.Optional(Type.String()),
  },
  { title: 'InstanceEvent' },
)

export function renderEvent(event: InstanceEvent): Static<typeof EventResource> {
  return {
    sequence: event.sequence,
    ...(event.from === null ? {} : { from: event.from }),
    ...(event.to === null ? {} : { to: event.to }),
    reason: event.reason,
    message: event.message,
    at: formatTimestamp(event.atMs),
    ...(event.requestId === '' ? {} : { requestId: event.requestId }),
  }
}

export const entityTagOf = (instance: InstanceRecord) => `"${instance.revision}"`

import { type Static, Type } from 'typebox'
import { formatTimestamp } from '../../lib/clock.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import { type DiskRecord, diskStatuses } from '../model/disk.ts'

export const DiskResource = Type.Object(
  {
    selfLink: Type.String(),
    uid: Type.String({ format: 'uuid' }),
    id: Type.String(),
    zone: Type.String(),
    sizeGb: Type.Integer(),
    sourceImage: Type.Optional(Type.String()),
    description: Type.Optional(Type.String()),
    labels: Type.Unsafe<Record<string, string>>({ type: 'object', additionalProperties: { type: 'string' } }),
    status: Type.Enum([...diskStatuses]),
    statusMessage: Type.String(),
    users: Type.Array(Type.String(), { description: 'Path of the instance that has it.' }),
    createdAt: Type.String({ format: 'date-time' }),
    updatedAt: Type.String({ format: 'date-time' }),
  },
  { title: 'Disk' },
)

export function renderDisk(disk: DiskRecord, region: string): Static<typeof DiskResource> {
  const { project, user, source, description } = disk
  const paths = resourcePaths(region)
  return {
    selfLink: paths.disk(project, disk.id),
    uid: disk.uid,
    id: disk.id,
    zone: paths.zone(disk.zone),
    sizeGb: disk.sizeGb,
    ...(source === undefined ? {} : { sourceImage: source }),
    ...(description === undefined ? {} : { description }),
    labels: disk.labels,
    status: disk.status,
    statusMessage: disk.statusMessage,
    users: user === undefined ? [] : [paths.instance(project, user.id)],
    createdAt: formatTimestamp(disk.createdAtMs),
    updatedAt: formatTimestamp(disk.updatedAtMs),
  }
}

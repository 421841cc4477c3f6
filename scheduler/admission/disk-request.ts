// The bodies of calls about disks that outlive instances: these schemas are the types, the validation and the document.
import { type Static, Type } from 'typebox'
import { resourceIdPattern } from '../../proto/ids.ts'
import { lineOfText, reference, textOfLines } from './instance-request.ts'

const closed = { additionalProperties: false } as const
const sizeGb = { minimum: 1, maximum: 65_536 }

export const CreateDiskRequest = Type.Object(
  {
    id: Type.Optional(
      Type.String({
        ...{ minLength: 1, maxLength: 63, pattern: resourceIdPattern },
        description: 'Generated where absent. Immutable.',
      }),
    ),
    zone: Type.Optional(reference('Zone: id or path; may be left out where there is one.')),
    sizeGb: Type.Optional(Type.Integer({ ...sizeGb, description: "Defaults to the source image's." })),
    sourceImage: Type.Optional(reference('Image that it is made from; without it the disk is blank.')),
    description: Type.Optional(Type.String(textOfLines)),
    labels: Type.Optional(
      Type.Unsafe<Record<string, string>>({ type: 'object', additionalProperties: { type: 'string' } }),
    ),
  },
  { ...closed, title: 'DiskRequest' },
)
export type CreateDiskRequest = Static<typeof CreateDiskRequest>

export const DiskPatch = Type.Object(
  {
    sizeGb: Type.Optional(Type.Integer({ ...sizeGb, description: 'Disks only grow.' })),
    description: Type.Optional(Type.Unsafe<string | null>({ type: ['string', 'null'], ...textOfLines })),
    labels: Type.Optional(
      Type.Unsafe<Record<string, string | null> | null>({
        type: ['object', 'null'],
        additionalProperties: { type: ['string', 'null'] },
      }),
    ),
  },
  { ...closed, title: 'DiskPatch' },
)
export type DiskPatch = Static<typeof DiskPatch>

/** Shown to the guest as the disk's serial number, which has room for no more. */
const deviceName = Type.String({
  ...{ ...lineOfText, minLength: 1, maxLength: 20, pattern: resourceIdPattern },
  description: 'Of the instance; the guest finds it as /dev/disk/by-id/virtio-NAME.',
})

export const AttachDiskRequest = Type.Object(
  {
    source: reference('The disk: id or path.'),
    deviceName: Type.Optional(deviceName),
    interface: Type.Optional(Type.Enum(['SCSI', 'VIRTIO', 'NVME'], { description: 'Defaults to VIRTIO.' })),
    mode: Type.Optional(Type.Enum(['READ_WRITE', 'READ_ONLY'], { description: 'Defaults to READ_WRITE.' })),
  },
  { ...closed, title: 'AttachDisk' },
)
export type AttachDiskRequest = Static<typeof AttachDiskRequest>

export const DetachDiskRequest = Type.Object({ deviceName }, { ...closed, title: 'DetachDisk' })
export type DetachDiskRequest = Static<typeof DetachDiskRequest>

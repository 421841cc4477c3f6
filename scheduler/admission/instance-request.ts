// The body of a create: this schema is the type, the validation and the document. Fields and example values are the
// published contract's; a field that is not here is refused by name.
import { type Static, Type } from 'typebox'
import { resourceIdPattern } from '../../proto/ids.ts'
import { gpuTopologies } from '../model/placement.ts'
import { labelKeyPattern } from './labels.ts'

const closed = { additionalProperties: false } as const
// Without control characters: these texts end up in terminals.
export const lineOfText = { maxLength: 128, pattern: '^[^\\u0000-\\u001f\\u007f]*$' }
export const textOfLines = { maxLength: 2048, pattern: '^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f]*$' }
export const reference = (description: string) => Type.String({ minLength: 1, maxLength: 1024, description })

export const DiskRequest = Type.Object(
  {
    sizeGb: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 65_536, description: "Defaults to the image's." }),
    ),
    interface: Type.Optional(Type.Enum(['SCSI', 'VIRTIO', 'NVME'], { description: 'Defaults to VIRTIO.' })),
    source: Type.Optional(
      reference('Image that the disk is made from, or a disk; without it the disk is blank.'),
    ),
    boot: Type.Optional(Type.Boolean({ description: 'One disk at most; the first if none is marked.' })),
    type: Type.Optional(Type.Enum(['PERSISTENT', 'SCRATCH'], { description: 'Defaults to PERSISTENT.' })),
    mode: Type.Optional(Type.Enum(['READ_WRITE', 'READ_ONLY'], { description: 'Defaults to READ_WRITE.' })),
  },
  closed,
)

export const NicRequest = Type.Object(
  {
    network: Type.Optional(reference('Defaults to the network named default.')),
    subnet: Type.Optional(reference('A subnet of the network.')),
    ipv4Address: Type.Optional(Type.String({ description: 'Allocated where absent.' })),
    ipv6Address: Type.Optional(
      Type.String({ description: 'Ends as the IPv4 address does: asking for the one asks for the other.' }),
    ),
    vlan: Type.Optional(Type.Integer({ minimum: 1, maximum: 4094, description: "Must be the network's." })),
  },
  closed,
)

export const GpuRequest = Type.Object(
  {
    type: reference('Accelerator type.'),
    count: Type.Integer({ minimum: 1, maximum: 64 }),
    topology: Type.Optional(
      Type.Enum([...gpuTopologies], {
        description:
          'On one NUMA node, below one PCIe switch, or joined by NVSwitches; any where absent. Entries of one type have the same.',
      }),
    ),
  },
  closed,
)

const placementGroups = (description: string) =>
  Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 63, pattern: resourceIdPattern }), {
      ...{ maxItems: 8, uniqueItems: true, description },
    }),
  )

export const SchedulingRequest = Type.Object(
  {
    isolation: Type.Optional(
      Type.Enum(['shared', 'host'], {
        description:
          'host: it gets one where nobody is, and nobody comes to it while it runs. Defaults to shared.',
      }),
    ),
    hostLabels: Type.Optional(
      Type.Unsafe<Record<string, string>>({
        ...{ type: 'object', additionalProperties: { type: 'string' }, maxProperties: 16 },
        description: 'What operators have written on its host: all of them, with these values.',
      }),
    ),
    affinity: placementGroups(
      'Groups of the project that it joins, to be on the host of the others who join them so. A group is a name; the first goes anywhere.',
    ),
    antiAffinity: placementGroups(
      'Groups of the project that it joins, to be on another host than everybody else in them.',
    ),
    packing: Type.Optional(
      Type.Enum(['pack', 'spread'], {
        description: 'Rather on hosts that are in use, or on those that are not. Defaults to pack.',
      }),
    ),
    expectedLifetimeSeconds: Type.Optional(
      Type.Integer({
        ...{ minimum: 60, maximum: 315_360_000 },
        description: 'A hint that keeps together what ends together. Nothing ends because of it.',
      }),
    ),
    automaticRestart: Type.Optional(
      Type.Boolean({
        description:
          'After a crash its host starts it again, after a longer pause each time in a row. Defaults to true. One that powers itself off stays off.',
      }),
    ),
    waitForCapacity: Type.Optional(
      Type.Boolean({
        description: 'Where there is no room now, it is PENDING until there is. Otherwise it is refused.',
      }),
    ),
    waitTimeoutSeconds: Type.Optional(
      Type.Integer({
        ...{ minimum: 1, maximum: 2_592_000 },
        description: 'How long it waits at most: then it has FAILED. A week where absent.',
      }),
    ),
  },
  { ...closed, description: 'Where it may go, and what becomes of it there. Immutable.' },
)

/** Of several instances that are created together. */
export const BatchScheduling = Type.Object(
  {
    sameHostLabel: Type.Optional(
      Type.String({
        ...{ minLength: 1, maxLength: 63, pattern: labelKeyPattern },
        description:
          'A key of the labels that operators write on hosts, such as rack: all of them go to hosts where it has one value.',
      }),
    ),
  },
  { ...closed, description: 'Where they may go, as a whole.' },
)

export const MetadataItem = Type.Object({ key: Type.String(), value: Type.String() }, closed)

export const InstanceRequest = Type.Object(
  {
    type: reference('Instance type. Immutable.'),
    id: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 63,
        pattern: resourceIdPattern,
        description: 'Generated where absent. Immutable.',
      }),
    ),
    displayName: Type.Optional(Type.String(lineOfText)),
    description: Type.Optional(Type.String(textOfLines)),
    labels: Type.Optional(
      Type.Unsafe<Record<string, string>>({ type: 'object', additionalProperties: { type: 'string' } }),
    ),
    instanceMetadata: Type.Optional(Type.Array(MetadataItem, { maxItems: 1024 })),
    hostname: Type.Optional(Type.String({ minLength: 1, description: 'RFC 1035. Immutable.' })),
    disks: Type.Optional(Type.Array(DiskRequest, { maxItems: 8 })),
    nics: Type.Optional(Type.Array(NicRequest, { maxItems: 8 })),
    gpus: Type.Optional(Type.Array(GpuRequest, { maxItems: 8 })),
    reservation: Type.Optional(reference('Capacity that was reserved for it. Immutable.')),
    scheduling: Type.Optional(SchedulingRequest),
  },
  { ...closed, title: 'InstanceRequest' },
)

export const LabelPatch = Type.Unsafe<Record<string, string | null> | null>({
  type: ['object', 'null'],
  additionalProperties: { type: ['string', 'null'] },
})

/** A merge patch (RFC 7396): what is null goes, what is absent stays, a list is replaced as a whole. */
export const InstancePatch = Type.Object(
  {
    displayName: Type.Optional(Type.Unsafe<string | null>({ type: ['string', 'null'], ...lineOfText })),
    description: Type.Optional(Type.Unsafe<string | null>({ type: ['string', 'null'], ...textOfLines })),
    labels: Type.Optional(LabelPatch),
    instanceMetadata: Type.Optional(
      Type.Unsafe<{ key: string; value: string }[] | null>({
        type: ['array', 'null'],
        items: MetadataItem,
        maxItems: 1024,
      }),
    ),
  },
  { ...closed, title: 'InstancePatch' },
)
export type InstancePatch = Static<typeof InstancePatch>

export type InstanceRequest = Static<typeof InstanceRequest>
export type DiskRequest = Static<typeof DiskRequest>
export type NicRequest = Static<typeof NicRequest>
export type GpuRequest = Static<typeof GpuRequest>
export type BatchScheduling = Static<typeof BatchScheduling>
export type SchedulingRequest = Static<typeof SchedulingRequest>

/** No request has more NICs; as many MAC addresses are made beforehand. */
export const maximumNics = 8

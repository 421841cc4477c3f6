// The shapes of requests that make and change resources other than instances.
import { type Static, Type } from 'typebox'
import { imageIdPattern, resourceIdPattern } from '../../proto/ids.ts'
import { deprecationStates, firmwares, metadataFlavours } from '../model/catalogue.ts'
import { unscrubbedPolicies } from '../model/device.ts'
import { firewallProtocols, ingressPolicies, internetAccesses } from '../model/firewall.ts'
import { lineOfText, textOfLines } from './instance-request.ts'

const closed = { additionalProperties: false } as const
const id = Type.Optional(
  Type.String({ minLength: 1, maxLength: 63, pattern: resourceIdPattern, description: 'Made where absent.' }),
)
const nameForPeople = { ...lineOfText, maxLength: 256 }
const description = Type.Optional(Type.String(textOfLines))
const displayName = Type.Optional(Type.String(nameForPeople))
const reference = (what: string) => Type.String({ minLength: 1, maxLength: 2048, description: what })

const ingressWords =
  'DENY: members receive only what a firewall rule allows, and answers. ALLOW where absent.'
const internetWords =
  'NAT: members reach public IPv4 addresses by their host, and nobody there reaches them. NONE where absent.'

export const CreateNetwork = Type.Object(
  {
    id,
    description,
    mtu: Type.Optional(Type.Integer({ minimum: 1280, maximum: 9216, description: '1500 where absent.' })),
    vlan: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 4094, description: 'A certain one: for operators.' }),
    ),
    physicalNetwork: Type.Optional(
      Type.String({
        ...{ minLength: 1, maxLength: 63, pattern: resourceIdPattern },
        description: 'What carries it between hosts: for operators. `default` where absent.',
      }),
    ),
    defaultIngress: Type.Optional(Type.Enum([...ingressPolicies], { description: ingressWords })),
    internetAccess: Type.Optional(Type.Enum([...internetAccesses], { description: internetWords })),
  },
  { ...closed, title: 'CreateNetwork' },
)
export const CreateSubnet = Type.Object(
  {
    id,
    description,
    network: reference('Path or id of the network.'),
    ipv4Cidr: Type.Optional(
      Type.String({ maxLength: 18, description: 'As 10.0.0.0/24; a free /20 of 10.128.0.0/9 where absent.' }),
    ),
    ipv6Cidr: Type.Optional(
      Type.String({ maxLength: 43, description: 'A /64 such as fd5b:1::/64; no IPv6 where absent.' }),
    ),
  },
  { ...closed, title: 'CreateSubnet' },
)
const rangesOf = (whose: string) =>
  Type.Array(Type.String({ maxLength: 49 }), {
    ...{ minItems: 1, maxItems: 64, uniqueItems: true },
    description: `Ranges of ${whose} addresses, such as 10.0.0.0/24; any where absent.`,
  })
const rulePorts = Type.Array(Type.String({ maxLength: 11 }), {
  ...{ minItems: 1, maxItems: 64, uniqueItems: true },
  description: 'Destination ports, such as 22 or 8000-8100; any where absent.',
})
export const CreateFirewallRule = Type.Object(
  {
    id,
    description,
    protocol: Type.Enum([...firewallProtocols], { description: 'ICMP is ICMPv6 too.' }),
    ports: Type.Optional(rulePorts),
    sources: Type.Optional(rangesOf('source')),
    destinations: Type.Optional(rangesOf('destination')),
  },
  { ...closed, title: 'CreateFirewallRule' },
)
export const CreateAddress = Type.Object(
  {
    id,
    description,
    subnet: reference('Path or id of the subnet.'),
    address: Type.Optional(Type.String({ maxLength: 15, description: 'The lowest free one where absent.' })),
  },
  { ...closed, title: 'CreateAddress' },
)
export const CreateReservation = Type.Object(
  {
    id,
    description,
    type: reference('Path or id of the instance type that it keeps room for.'),
    gpus: Type.Optional(
      Type.Object(
        {
          type: reference('Path or id of the accelerator type.'),
          count: Type.Integer({ minimum: 1, maximum: 64, description: 'For each instance.' }),
        },
        closed,
      ),
    ),
    diskGb: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 65_536,
        description: 'For the disks of each instance; 10 where absent.',
      }),
    ),
    count: Type.Integer({ minimum: 1, maximum: 64, description: 'For how many instances.' }),
  },
  { ...closed, title: 'CreateReservation' },
)
const requiredId = Type.String({ minLength: 1, maxLength: 63, pattern: resourceIdPattern })
const cpuOvercommit = {
  ...{ minimum: 1, maximum: 64 },
  description:
    'Virtual CPUs for each CPU of a host. Lowered, hosts keep what is handed out until it is given back.',
}
const pciIds = {
  ...{ minItems: 1, maxItems: 64, uniqueItems: true },
  description:
    'vendor:device, as hosts report them: 10de:2330. No other type of the zone has one of them. Devices of hosts that are there already get the type at once.',
}
export const pciIdPattern = '^[0-9a-f]{4}:[0-9a-f]{4}$'
const pciId = Type.String({ pattern: pciIdPattern })
const gpuMemoryGb = { minimum: 1, maximum: 65_536, description: 'Of each.' }
const maximumPerInstance = { minimum: 1, maximum: 64 }

const unscrubbedDevices = {
  description:
    'Of GPUs that nothing has scrubbed: quarantine keeps each for the project of its last guest until an operator releases it, reuse gives it to anybody.',
}

export const CreateZone = Type.Object(
  {
    id: requiredId,
    description,
    cpuOvercommit: Type.Optional(
      Type.Number({ ...cpuOvercommit, description: `${cpuOvercommit.description} 1 where absent.` }),
    ),
    unscrubbedDevices: Type.Optional(
      Type.Enum([...unscrubbedPolicies], {
        description: `${unscrubbedDevices.description} quarantine where absent.`,
      }),
    ),
  },
  { ...closed, title: 'CreateZone' },
)
export const CreateAcceleratorType = Type.Object(
  {
    id: requiredId,
    description,
    pciIds: Type.Array(pciId, pciIds),
    memoryGb: Type.Optional(Type.Integer(gpuMemoryGb)),
    maximumPerInstance: Type.Optional(
      Type.Integer({ ...maximumPerInstance, description: '8 where absent.' }),
    ),
  },
  { ...closed, title: 'CreateAcceleratorType' },
)
export const CreateInstanceType = Type.Object(
  {
    id: requiredId,
    description,
    vcpus: Type.Integer({ minimum: 1, maximum: 512 }),
    memoryMib: Type.Integer({ minimum: 128, maximum: 16_777_216 }),
    networkMbps: Type.Optional(
      Type.Integer({
        ...{ minimum: 1, maximum: 100_000 },
        description: 'What passes each NIC in each direction; no limit where absent.',
      }),
    ),
    gpus: Type.Optional(
      Type.Object(
        {
          type: reference('Path or id of the accelerator type.'),
          count: Type.Integer({ minimum: 1, maximum: 64 }),
        },
        closed,
      ),
    ),
    defaultImage: Type.Optional(reference('Path or id of the image of a boot disk that nobody asked for.')),
  },
  { ...closed, title: 'CreateInstanceType' },
)
export const CreateProjectInstanceType = Type.Object(
  {
    ...CreateInstanceType.properties,
    zone: Type.Optional(reference('Path or id of the zone; the only one where absent.')),
  },
  { ...closed, title: 'CreateProjectInstanceType' },
)
export const sha256Pattern = '^[0-9a-f]{64}$'
export const CreateImage = Type.Object(
  {
    id: Type.String({ minLength: 1, maxLength: 63, pattern: imageIdPattern }),
    description,
    family: Type.Optional(Type.String({ minLength: 1, maxLength: 63, pattern: imageIdPattern })),
    url: Type.Optional(
      Type.String({
        maxLength: 2048,
        description: 'http://…, https://…, or file:///… on every host; absent where the bytes are uploaded.',
      }),
    ),
    sha256: Type.String({ pattern: sha256Pattern, description: 'What hosts check the bytes against.' }),
    format: Type.Enum(['raw', 'qcow2']),
    architecture: Type.Optional(Type.Enum(['x86_64', 'aarch64'])),
    sizeGb: Type.Integer({ minimum: 1, maximum: 65_536, description: 'Of the disk that it makes.' }),
    metadataFlavour: Type.Optional(
      Type.Enum([...metadataFlavours], {
        description: 'The metadata service that it looks for at boot; NOCLOUD where absent.',
      }),
    ),
    seedDisk: Type.Optional(
      Type.Boolean({
        description:
          'Guests find their metadata on a disk labelled cidata: for images that ask no server at boot. False where absent.',
      }),
    ),
    firmware: Type.Optional(
      Type.Enum([...firmwares], {
        description:
          'UEFI for an image that boots by UEFI alone: its guests go to hosts that have it. BIOS where absent.',
      }),
    ),
  },
  { ...closed, title: 'CreateImage' },
)
export const CreateProject = Type.Object(
  { id, displayName, description },
  { ...closed, title: 'CreateProject' },
)

const nullable = <const T extends string>(type: T, rest: object = {}) => ({ type: [type, 'null'], ...rest })
const describable = { description: nullable('string', textOfLines) }
const patch = (title: string, properties: Readonly<Record<string, object>>) =>
  Type.Unsafe<Readonly<Record<string, unknown>>>({
    ...{ type: 'object', title, properties, additionalProperties: false },
    description: 'A merge patch: what is null goes, what is absent stays.',
  })

export const UpdateDescribed = patch('ResourcePatch', describable)
export const UpdateZone = patch('ZonePatch', {
  ...describable,
  cpuOvercommit: { type: 'number', ...cpuOvercommit },
  unscrubbedDevices: { type: 'string', enum: [...unscrubbedPolicies], ...unscrubbedDevices },
})
export const UpdateAcceleratorType = patch('AcceleratorTypePatch', {
  ...describable,
  pciIds: { type: 'array', items: pciId, ...pciIds },
  memoryGb: nullable('integer', gpuMemoryGb),
  maximumPerInstance: { type: 'integer', ...maximumPerInstance },
})
export const UpdateNetwork = patch('NetworkPatch', {
  ...describable,
  defaultIngress: { type: 'string', enum: [...ingressPolicies], description: ingressWords },
  internetAccess: { type: 'string', enum: [...internetAccesses], description: internetWords },
})
/** Lists are replaced as a whole. */
export const UpdateFirewallRule = patch('FirewallRulePatch', {
  ...describable,
  protocol: CreateFirewallRule.properties.protocol,
  ports: { ...rulePorts, type: ['array', 'null'] },
  sources: { ...rangesOf('source'), type: ['array', 'null'] },
  destinations: { ...rangesOf('destination'), type: ['array', 'null'] },
})
export const UpdateProject = patch('ProjectPatch', {
  ...describable,
  displayName: nullable('string', nameForPeople),
})
export const UpdateImage = patch('ImagePatch', {
  ...describable,
  family: nullable('string', { minLength: 1, maxLength: 63, pattern: imageIdPattern }),
  deprecation: {
    type: ['object', 'null'],
    properties: {
      state: { type: 'string', enum: [...deprecationStates] },
      replacement: { type: 'string', minLength: 1, maxLength: 2048 },
    },
    required: ['state'],
    additionalProperties: false,
  },
})

export type CreateNetwork = Static<typeof CreateNetwork>
export type CreateSubnet = Static<typeof CreateSubnet>
export type CreateAddress = Static<typeof CreateAddress>
export type CreateFirewallRule = Static<typeof CreateFirewallRule>
export type CreateReservation = Static<typeof CreateReservation>
export type CreateZone = Static<typeof CreateZone>
export type CreateAcceleratorType = Static<typeof CreateAcceleratorType>
export type CreateInstanceType = Static<typeof CreateInstanceType>
export type CreateProjectInstanceType = Static<typeof CreateProjectInstanceType>
export type CreateImage = Static<typeof CreateImage>
export type CreateProject = Static<typeof CreateProject>

import { type Static, type TObject, Type } from 'typebox'
import { formatTimestamp } from '../../lib/clock.ts'
import { shapeOf } from '../admission/reservation.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import { subnetAddresses } from '../admission/subnet.ts'
import type {
  AcceleratorType,
  CatalogueFirewallRule,
  CatalogueImage,
  CatalogueNetwork,
  CatalogueSubnet,
  InstanceType,
  Project,
  ProjectInstanceType,
  Zone,
} from '../model/catalogue.ts'
import { defaultPhysicalNetwork, deprecationStates, firmwares, metadataFlavours } from '../model/catalogue.ts'
import { unscrubbedPolicies } from '../model/device.ts'
import { firewallProtocols, ingressPolicies, internetAccesses } from '../model/firewall.ts'
import type { ResourceMeta, StoredAddress, StoredReservation } from '../model/resource.ts'

const named = { selfLink: Type.String(), id: Type.String(), description: Type.Optional(Type.String()) }

/** Of what the store keeps. */
const kept = {
  uid: Type.String(),
  createdAt: Type.String({ format: 'date-time' }),
  updatedAt: Type.String({ format: 'date-time' }),
}

export const RegionResource = Type.Object(
  {
    ...named,
    status: Type.String(),
    zones: Type.Array(Type.String()),
  },
  { title: 'Region' },
)
export const ZoneResource = Type.Object(
  {
    ...named,
    status: Type.String(),
    region: Type.String(),
    cpuOvercommit: Type.Optional(
      Type.Number({ description: 'Virtual CPUs for each CPU of a host; told to operators.' }),
    ),
    unscrubbedDevices: Type.Optional(
      Type.Enum([...unscrubbedPolicies], {
        description: 'What becomes of GPUs that nothing has scrubbed; told to operators.',
      }),
    ),
    ...kept,
  },
  { title: 'Zone' },
)
export const InstanceTypeResource = Type.Object(
  {
    ...named,
    vcpus: Type.Integer(),
    memoryMib: Type.Integer(),
    networkMbps: Type.Optional(
      Type.Integer({ description: 'What passes each NIC in each direction; no limit where absent.' }),
    ),
    gpus: Type.Array(Type.Object({ type: Type.String(), count: Type.Integer() })),
    defaultImage: Type.Optional(Type.String()),
    ...kept,
  },
  { title: 'InstanceType' },
)
export const ProjectInstanceTypeResource = Type.Object(
  { ...InstanceTypeResource.properties, zone: Type.String() },
  { title: 'ProjectInstanceType' },
)
export const AcceleratorTypeResource = Type.Object(
  {
    ...named,
    pciIds: Type.Array(Type.String({ description: 'vendor:device' })),
    memoryGb: Type.Optional(Type.Integer()),
    maximumPerInstance: Type.Integer(),
    ...kept,
  },
  { title: 'AcceleratorType' },
)
export const ImageResource = Type.Object(
  {
    ...named,
    family: Type.Optional(Type.String()),
    status: Type.Enum(['PENDING', 'READY'], { description: 'PENDING: waits for its bytes.' }),
    sizeGb: Type.Integer(),
    architecture: Type.String(),
    format: Type.String(),
    sha256: Type.String(),
    metadataFlavour: Type.Enum([...metadataFlavours]),
    seedDisk: Type.Boolean({ description: 'Whether guests find their metadata on a disk.' }),
    firmware: Type.Enum([...firmwares], { description: 'What boots it.' }),
    deprecation: Type.Optional(
      Type.Object({
        state: Type.Enum([...deprecationStates]),
        replacement: Type.Optional(Type.String()),
      }),
    ),
    ...kept,
  },
  { title: 'Image' },
)
export const ProjectResource = Type.Object(
  { ...named, displayName: Type.Optional(Type.String()), ...kept },
  { title: 'Project' },
)
export const NetworkResource = Type.Object(
  {
    ...named,
    ...kept,
    vlan: Type.Optional(Type.Integer({ description: 'Absent where the network is local to each host.' })),
    physicalNetwork: Type.Optional(Type.String({ description: 'What carries the VLAN between hosts.' })),
    mtu: Type.Integer(),
    subnets: Type.Array(Type.String()),
    defaultIngress: Type.Enum([...ingressPolicies], {
      description: 'DENY: members receive only what a firewall rule allows, and answers.',
    }),
    internetAccess: Type.Enum([...internetAccesses], {
      description: 'NAT: members reach public IPv4 addresses by their host, and nobody there reaches them.',
    }),
  },
  { title: 'Network' },
)
export const FirewallRuleResource = Type.Object(
  {
    ...named,
    ...kept,
    network: Type.String(),
    protocol: Type.Enum([...firewallProtocols]),
    ports: Type.Optional(Type.Array(Type.String())),
    sources: Type.Optional(Type.Array(Type.String())),
    destinations: Type.Optional(Type.Array(Type.String())),
  },
  { title: 'FirewallRule' },
)
export const SubnetResource = Type.Object(
  {
    ...named,
    network: Type.String(),
    ipv4Cidr: Type.String(),
    ipv6Cidr: Type.Optional(Type.String()),
    gatewayAddress: Type.String(),
    ...kept,
  },
  { title: 'Subnet' },
)
export const AddressResource = Type.Object(
  {
    ...named,
    ...kept,
    address: Type.String(),
    subnet: Type.String(),
    status: Type.Enum(['RESERVED', 'IN_USE']),
    users: Type.Array(Type.String({ description: 'Path of the instance that has it.' })),
  },
  { title: 'Address' },
)

export const ReservationResource = Type.Object(
  {
    ...named,
    ...kept,
    type: Type.String(),
    gpus: Type.Array(Type.Object({ type: Type.String(), count: Type.Integer() })),
    diskGb: Type.Integer(),
    count: Type.Integer({ description: 'For how many instances it was asked.' }),
    held: Type.Integer({ description: 'For how many it holds room; less than count where a host was lost.' }),
    used: Type.Integer(),
    users: Type.Array(Type.String({ description: 'Path of an instance that is in it.' })),
  },
  { title: 'Reservation' },
)

export const optional = <Key extends string, Value>(key: Key, value: Value | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value }

function renderMeta(meta: ResourceMeta | undefined): Static<TObject<typeof kept>> {
  if (meta === undefined) throw new Error('What the store does not keep has no times.')
  const { uid, createdAtMs, updatedAtMs } = meta
  return { uid, createdAt: formatTimestamp(createdAtMs), updatedAt: formatTimestamp(updatedAtMs) }
}

/** Catalogue entries as resources of one region. Where images come from is the operator's business. */
export function catalogueRenderers(region: string) {
  const paths = resourcePaths(region)
  const renderType = (zone: string, type: InstanceType) => ({
    id: type.id,
    ...optional('description', type.description),
    vcpus: type.vcpus,
    memoryMib: type.memoryMib,
    ...optional('networkMbps', type.networkMbps),
    gpus:
      type.gpus === undefined
        ? []
        : [{ type: paths.acceleratorType(zone, type.gpus.type), count: type.gpus.count }],
    ...optional('defaultImage', type.defaultImage === undefined ? undefined : paths.image(type.defaultImage)),
    ...renderMeta(type.meta),
  })
  return {
    region: (zones: readonly Zone[]): Static<typeof RegionResource> => ({
      selfLink: paths.region,
      id: region,
      status: 'UP',
      zones: zones.map((zone) => paths.zone(zone.id)),
    }),
    zone: (
      { id, description, cpuOvercommit, unscrubbedDevices = 'quarantine', meta }: Zone,
      { isOperator }: { isOperator: boolean },
    ): Static<typeof ZoneResource> => ({
      selfLink: paths.zone(id),
      id,
      ...optional('description', description),
      status: 'UP',
      region: paths.region,
      ...optional('cpuOvercommit', isOperator ? cpuOvercommit : undefined),
      ...optional('unscrubbedDevices', isOperator ? unscrubbedDevices : undefined),
      ...renderMeta(meta),
    }),
    instanceType: (zone: string, type: InstanceType): Static<typeof InstanceTypeResource> => ({
      selfLink: paths.instanceType(zone, type.id),
      ...renderType(zone, type),
    }),
    projectInstanceType: (
      project: string,
      type: ProjectInstanceType,
    ): Static<typeof ProjectInstanceTypeResource> => ({
      selfLink: paths.projectInstanceType(project, type.id),
      ...renderType(type.zone, type),
      zone: paths.zone(type.zone),
    }),
    acceleratorType: (zone: Zone, type: AcceleratorType): Static<typeof AcceleratorTypeResource> => ({
      selfLink: paths.acceleratorType(zone.id, type.id),
      id: type.id,
      ...optional('description', type.description),
      pciIds: [...type.pciIds],
      ...optional('memoryGb', type.memoryGb),
      maximumPerInstance: type.maximumPerInstance,
      ...renderMeta(type.meta),
    }),
    image: (image: CatalogueImage): Static<typeof ImageResource> => ({
      selfLink: paths.image(image.id),
      id: image.id,
      ...optional('description', image.description),
      ...optional('family', image.family),
      status: image.isPending === true ? 'PENDING' : 'READY',
      sizeGb: image.sizeGb,
      architecture: image.architecture,
      format: image.format,
      sha256: image.sha256,
      metadataFlavour: image.metadataFlavour,
      seedDisk: image.seedDisk ?? false,
      firmware: image.firmware ?? 'BIOS',
      ...optional('deprecation', image.deprecation),
      ...renderMeta(image.meta),
    }),
    project: ({ id, displayName, description, meta }: Project): Static<typeof ProjectResource> => ({
      selfLink: paths.project(id),
      id,
      ...optional('displayName', displayName),
      ...optional('description', description),
      ...renderMeta(meta),
    }),
    network: (
      project: string,
      { id, description, vlan, physicalNetwork, mtu, subnet, meta, ...policy }: CatalogueNetwork,
    ): Static<typeof NetworkResource> => ({
      selfLink: paths.network(project, id),
      id,
      ...optional('description', description),
      ...renderMeta(meta),
      ...(vlan === 0 ? {} : { vlan, physicalNetwork: physicalNetwork ?? defaultPhysicalNetwork }),
      mtu,
      subnets: subnet === undefined ? [] : [paths.subnet(project, subnet.id)],
      defaultIngress: policy.defaultIngress ?? 'ALLOW',
      internetAccess: policy.internetAccess ?? 'NONE',
    }),
    firewallRule: (
      { project, network }: { project: string; network: string },
      { id, description, protocol, ports, sources, destinations, meta }: CatalogueFirewallRule,
    ): Static<typeof FirewallRuleResource> => ({
      selfLink: paths.firewallRule(project, network, id),
      id,
      ...optional('description', description),
      ...renderMeta(meta),
      network: paths.network(project, network),
      protocol,
      ...optional('ports', ports === undefined ? undefined : [...ports]),
      ...optional('sources', sources === undefined ? undefined : [...sources]),
      ...optional('destinations', destinations === undefined ? undefined : [...destinations]),
    }),
    subnet: (
      project: string,
      { network, subnet }: { network: CatalogueNetwork; subnet: CatalogueSubnet },
    ): Static<typeof SubnetResource> => ({
      selfLink: paths.subnet(project, subnet.id),
      id: subnet.id,
      ...optional('description', subnet.description),
      network: paths.network(project, network.id),
      ipv4Cidr: subnet.ipv4Cidr,
      ...optional('ipv6Cidr', subnet.ipv6Cidr),
      gatewayAddress: subnetAddresses(subnet).gateway,
      ...renderMeta(subnet.meta),
    }),
    reservation: (project: string, stored: StoredReservation): Static<typeof ReservationResource> => {
      const { description, type, zone, gpus, diskGb, count } = shapeOf(stored)
      const users = stored.slots.flatMap(({ user }) => user ?? []).toSorted()
      return {
        selfLink: paths.reservation(project, stored.id),
        id: stored.id,
        ...optional('description', description),
        ...renderMeta(stored),
        type,
        gpus: gpus.map((gpu) => ({ type: paths.acceleratorType(zone, gpu.type), count: gpu.count })),
        ...{ diskGb, count, held: stored.slots.length, used: users.length },
        users: users.map((user) => paths.instance(project, user)),
      }
    },
    address: (project: string, stored: StoredAddress): Static<typeof AddressResource> => {
      const { id, body, user } = stored
      const { description, address, subnet } = body as {
        description?: string
        address: string
        subnet: string
      }
      return {
        selfLink: paths.address(project, id),
        id,
        ...optional('description', description),
        ...renderMeta(stored),
        address,
        subnet: paths.subnet(project, subnet),
        status: user === undefined ? 'RESERVED' : 'IN_USE',
        users: user === undefined ? [] : [paths.instance(project, user)],
      }
    },
  }
}

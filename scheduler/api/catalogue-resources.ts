import { type Static, Type } from 'typebox'
import { resourcePaths } from '../admission/resource-path.ts'
import { subnetAddresses } from '../admission/subnet.ts'
import type {
  AcceleratorType,
  CatalogueImage,
  CatalogueNetwork,
  InstanceType,
  Project,
  Zone,
} from '../model/catalogue.ts'

const named = { selfLink: Type.String(), id: Type.String(), description: Type.Optional(Type.String()) }

export const RegionResource = Type.Object(
  {
    ...named,
    status: Type.String(),
    zones: Type.Array(Type.String()),
  },
  { title: 'Region' },
)
export const ZoneResource = Type.Object(
  { ...named, status: Type.String(), region: Type.String() },
  { title: 'Zone' },
)
export const InstanceTypeResource = Type.Object(
  {
    ...named,
    vcpus: Type.Integer(),
    memoryMib: Type.Integer(),
    gpus: Type.Array(Type.Object({ type: Type.String(), count: Type.Integer() })),
    defaultImage: Type.Optional(Type.String()),
  },
  { title: 'InstanceType' },
)
export const AcceleratorTypeResource = Type.Object(
  {
    ...named,
    memoryGb: Type.Optional(Type.Integer()),
    maximumPerInstance: Type.Integer(),
  },
  { title: 'AcceleratorType' },
)
export const ImageResource = Type.Object(
  {
    ...named,
    family: Type.Optional(Type.String()),
    status: Type.String(),
    sizeGb: Type.Integer(),
    architecture: Type.String(),
    format: Type.String(),
    sha256: Type.String(),
    metadataFlavour: Type.String(),
  },
  { title: 'Image' },
)
export const ProjectResource = Type.Object(
  { ...named, displayName: Type.Optional(Type.String()) },
  { title: 'Project' },
)
export const NetworkResource = Type.Object(
  {
    ...named,
    uid: Type.String(),
    vlan: Type.Optional(Type.Integer()),
    mtu: Type.Integer(),
    subnets: Type.Array(Type.String()),
  },
  { title: 'Network' },
)
export const SubnetResource = Type.Object(
  {
    ...named,
    network: Type.String(),
    ipv4Cidr: Type.String(),
    gatewayAddress: Type.String(),
  },
  { title: 'Subnet' },
)

const optional = <Key extends string, Value>(key: Key, value: Value | undefined) =>
  (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value }

/** Catalogue entries as resources of one region. Where images come from is the operator's business. */
export function catalogueRenderers(region: string) {
  const paths = resourcePaths(region)
  return {
    region: (zones: readonly Zone[]): Static<typeof RegionResource> => ({
      selfLink: paths.region,
      id: region,
      status: 'UP',
      zones: zones.map((zone) => paths.zone(zone.id)),
    }),
    zone: ({ id, description }: Zone): Static<typeof ZoneResource> => ({
      selfLink: paths.zone(id),
      id,
      ...optional('description', description),
      status: 'UP',
      region: paths.region,
    }),
    instanceType: (zone: Zone, type: InstanceType): Static<typeof InstanceTypeResource> => ({
      selfLink: paths.instanceType(zone.id, type.id),
      id: type.id,
      ...optional('description', type.description),
      vcpus: type.vcpus,
      memoryMib: type.memoryMib,
      gpus:
        type.gpus === undefined
          ? []
          : [{ type: paths.acceleratorType(zone.id, type.gpus.type), count: type.gpus.count }],
      ...optional(
        'defaultImage',
        type.defaultImage === undefined ? undefined : paths.image(type.defaultImage),
      ),
    }),
    acceleratorType: (zone: Zone, type: AcceleratorType): Static<typeof AcceleratorTypeResource> => ({
      selfLink: paths.acceleratorType(zone.id, type.id),
      id: type.id,
      ...optional('description', type.description),
      ...optional('memoryGb', type.memoryGb),
      maximumPerInstance: type.maximumPerInstance,
    }),
    image: (image: CatalogueImage): Static<typeof ImageResource> => ({
      selfLink: paths.image(image.id),
      id: image.id,
      ...optional('description', image.description),
      ...optional('family', image.family),
      status: 'READY',
      sizeGb: image.sizeGb,
      architecture: image.architecture,
      format: image.format,
      sha256: image.sha256,
      metadataFlavour: image.metadataFlavour,
    }),
    project: ({ id, displayName }: Project): Static<typeof ProjectResource> => ({
      selfLink: paths.project(id),
      id,
      ...optional('displayName', displayName),
    }),
    network: (project: Project, network: CatalogueNetwork): Static<typeof NetworkResource> => ({
      selfLink: paths.network(project.id, network.id),
      id: network.id,
      uid: network.uid,
      ...optional('vlan', network.vlan === 0 ? undefined : network.vlan),
      mtu: network.mtu,
      subnets: [paths.subnet(project.id, network.subnet.id)],
    }),
    subnet: (project: Project, network: CatalogueNetwork): Static<typeof SubnetResource> => ({
      selfLink: paths.subnet(project.id, network.subnet.id),
      id: network.subnet.id,
      network: paths.network(project.id, network.id),
      ipv4Cidr: network.subnet.ipv4Cidr,
      gatewayAddress: subnetAddresses(network.subnet).gateway,
    }),
  }
}

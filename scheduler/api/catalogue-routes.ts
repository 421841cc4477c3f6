import type { FastifyRequest } from 'fastify'
import { roleIn } from '../auth/roles.ts'
import type { Catalogue, Zone } from '../model/catalogue.ts'
import { principalOf, projectAccess, projectOf, signedIn } from './access.ts'
import {
  AcceleratorTypeResource,
  catalogueRenderers,
  ImageResource,
  InstanceTypeResource,
  NetworkResource,
  ProjectResource,
  RegionResource,
  SubnetResource,
  ZoneResource,
} from './catalogue-resources.ts'
import { addCollection, notFound } from './collection-routes.ts'
import type { Server } from './server.ts'

const region = '/v1/regions/:region'
const compute = `${region}/projects/:project/compute`

/** What the operator declared, to be read by everybody with a token; networks by those with a role in the project. */
export function addCatalogueRoutes(server: Server, catalogue: Catalogue): void {
  const render = catalogueRenderers(catalogue.region)
  const zoneOf = (request: FastifyRequest): Zone => {
    const { zone: id = '' } = request.params as { zone?: string }
    const zone = catalogue.zones.find((candidate) => candidate.id === id)
    if (zone === undefined) throw notFound('Zone', id, request)
    return zone
  }

  addCollection(server, {
    path: '/v1/regions',
    plural: 'regions',
    noun: 'Region',
    access: signedIn,
    schema: RegionResource,
    list: () => [render.region(catalogue.zones)],
  })
  addCollection(server, {
    path: `${region}/zones`,
    plural: 'zones',
    noun: 'Zone',
    access: signedIn,
    schema: ZoneResource,
    list: () => catalogue.zones.map(render.zone),
  })
  addCollection(server, {
    path: `${region}/zones/:zone/instance-types`,
    plural: 'instanceTypes',
    noun: 'Instance type',
    access: signedIn,
    schema: InstanceTypeResource,
    list: (request) => {
      const zone = zoneOf(request)
      return zone.instanceTypes.map((type) => render.instanceType(zone, type))
    },
  })
  addCollection(server, {
    path: `${region}/zones/:zone/accelerator-types`,
    plural: 'acceleratorTypes',
    noun: 'Accelerator type',
    access: signedIn,
    schema: AcceleratorTypeResource,
    list: (request) => {
      const zone = zoneOf(request)
      return zone.acceleratorTypes.map((type) => render.acceleratorType(zone, type))
    },
  })
  addCollection(server, {
    path: `${region}/compute/images`,
    plural: 'images',
    noun: 'Image',
    access: signedIn,
    schema: ImageResource,
    list: () => catalogue.images.map(render.image),
  })
  addCollection(server, {
    path: `${region}/projects`,
    plural: 'projects',
    noun: 'Project',
    access: signedIn,
    schema: ProjectResource,
    list: (request) => {
      const principal = principalOf(request)
      const visible = catalogue.projects.filter(({ id }) => roleIn(principal, id) !== undefined)
      return visible.map(render.project)
    },
  })
  addCollection(server, {
    path: `${compute}/networks`,
    plural: 'networks',
    noun: 'Network',
    access: projectAccess('viewer'),
    schema: NetworkResource,
    list: (request) => {
      const project = projectOf(request)
      return project.networks.map((network) => render.network(project, network))
    },
  })
  addCollection(server, {
    path: `${compute}/subnets`,
    plural: 'subnets',
    noun: 'Subnet',
    access: projectAccess('viewer'),
    schema: SubnetResource,
    list: (request) => {
      const project = projectOf(request)
      return project.networks.map((network) => render.subnet(project, network))
    },
  })
}

// What instances are made of: zones, types, images and projects. They can be made, changed and deleted, unless the settings
// file declares them.
import type { FastifyRequest } from 'fastify'
import { v5 } from 'uuid'
import { resourceUid } from '../../proto/ids.ts'
import { newestOfFamily, resolveImage } from '../admission/image.ts'
import { parseCustomType } from '../admission/instance-type.ts'
import {
  type CreateAcceleratorType,
  CreateAcceleratorType as CreateAcceleratorTypeBody,
  type CreateImage,
  CreateImage as CreateImageBody,
  type CreateInstanceType,
  CreateInstanceType as CreateInstanceTypeBody,
  type CreateProject,
  CreateProject as CreateProjectBody,
  type CreateZone,
  CreateZone as CreateZoneBody,
  UpdateAcceleratorType,
  UpdateDescribed,
  UpdateImage,
  UpdateProject,
  UpdateZone,
} from '../admission/resource-requests.ts'
import { roleIn } from '../auth/roles.ts'
import { refuse, refuseAll } from '../errors.ts'
import type { InstanceType, Zone } from '../model/catalogue.ts'
import { done, type Outcome } from '../operations/outcome.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { forgetBytes, planImage, typesThatBoot } from '../operations/resources/images.ts'
import { planZoneType } from '../operations/resources/instance-types.ts'
import { planAcceleratorType, planZone } from '../operations/resources/places.ts'
import { madeWith, planProject } from '../operations/resources/projects.ts'
import { about } from './about.ts'
import { operatorOnly, principalOf, signedIn } from './access.ts'
import { ErrorBody } from './answer.ts'
import {
  AcceleratorTypeResource,
  catalogueRenderers,
  ImageResource,
  InstanceTypeResource,
  ProjectResource,
  RegionResource,
  ZoneResource,
} from './catalogue-resources.ts'
import { addCollection, notFound, params, tagReply } from './collection-routes.ts'
import { NoQuery } from './parameters.ts'
import { addChangeable } from './resource-routes.ts'
import type { Server } from './server.ts'

const region = '/v1/regions/:region'

export function addCatalogueRoutes(server: Server, ports: OperationPorts): void {
  addPlaces(server, ports)
  addTypes(server, ports)
  addImages(server, ports)
  addProjects(server, ports)
}

function addPlaces(server: Server, ports: OperationPorts): void {
  const { catalogue } = ports
  const render = catalogueRenderers(catalogue.region)
  addCollection(server, {
    path: '/v1/regions',
    plural: 'regions',
    noun: 'Region',
    access: signedIn,
    schema: RegionResource,
    list: () => [{ id: catalogue.region }],
    render: () => render.region(catalogue.zones),
  })
  addChangeable(
    server,
    {
      path: `${region}/zones`,
      plural: 'zones',
      noun: 'Zone',
      collection: 'zones',
      access: signedIn,
      write: operatorOnly,
      schema: ZoneResource,
      list: () => catalogue.zones,
      render: (zone, request) => render.zone(zone, { isOperator: principalOf(request).operator }),
      create: {
        body: CreateZoneBody,
        plan: (request) => planZone(request.body as CreateZone, ports),
      },
      update: { body: UpdateZone },
    },
    ports,
  )
}

function zoneOf(request: FastifyRequest, { catalogue }: OperationPorts): Zone {
  const { zone: id = '' } = request.params as { zone?: string }
  const zone = catalogue.zones.find((candidate) => candidate.id === id)
  if (zone === undefined) throw notFound('Zone', id, request)
  return zone
}

/** As old as its zone, and never changed. */
function customType(id: string, { meta }: Zone): InstanceType | undefined {
  const type = parseCustomType(id)
  if (type === undefined) return undefined
  const uid = resourceUid(v5(id, meta.uid))
  return { ...type, meta: { ...meta, uid, revision: 1, updatedAtMs: meta.createdAtMs } }
}

function addTypes(server: Server, ports: OperationPorts): void {
  const render = catalogueRenderers(ports.catalogue.region)
  addChangeable(
    server,
    {
      path: `${region}/zones/:zone/instance-types`,
      plural: 'instanceTypes',
      noun: 'Instance type',
      collection: 'instance-types',
      access: signedIn,
      write: operatorOnly,
      schema: InstanceTypeResource,
      list: (request) => zoneOf(request, ports).instanceTypes,
      unlisted: (id, request) => customType(id, zoneOf(request, ports)),
      render: (type, request) => render.instanceType(zoneOf(request, ports).id, type),
      create: {
        body: CreateInstanceTypeBody,
        plan: (request) => {
          const body = request.body as CreateInstanceType
          return planZoneType({ body, zone: zoneOf(request, ports), serverHost: request.host }, ports)
        },
      },
      update: { body: UpdateDescribed },
    },
    ports,
  )
  addChangeable(
    server,
    {
      path: `${region}/zones/:zone/accelerator-types`,
      plural: 'acceleratorTypes',
      noun: 'Accelerator type',
      collection: 'accelerator-types',
      access: signedIn,
      write: operatorOnly,
      schema: AcceleratorTypeResource,
      list: (request) => zoneOf(request, ports).acceleratorTypes,
      render: (type, request) => render.acceleratorType(zoneOf(request, ports), type),
      create: {
        body: CreateAcceleratorTypeBody,
        plan: (request) => {
          const body = request.body as CreateAcceleratorType
          return planAcceleratorType({ body, zone: zoneOf(request, ports) }, ports)
        },
      },
      update: { body: UpdateAcceleratorType },
    },
    ports,
  )
}

function addImages(server: Server, ports: OperationPorts): void {
  const { catalogue } = ports
  const render = catalogueRenderers(catalogue.region)
  const path = `${region}/compute/images`
  addChangeable(
    server,
    {
      path,
      plural: 'images',
      noun: 'Image',
      collection: 'images',
      access: signedIn,
      write: operatorOnly,
      schema: ImageResource,
      list: () => catalogue.images,
      render: render.image,
      create: {
        body: CreateImageBody,
        plan: (request) => planImage(request.body as CreateImage, ports),
      },
      update: {
        body: UpdateImage,
        check: (patch, _image, request) => checkImagePatch(patch, request, ports),
      },
      beforeDelete: ({ id }) => {
        const by = typesThatBoot(id, ports)
        return by.length === 0 ? done([]) : refuse('RESOURCE_IN_USE', { noun: 'image', id, by })
      },
      afterDelete: (image) => forgetBytes(image, ports),
    },
    ports,
  )
  server.get(
    `${path}/family/:family`,
    {
      config: { access: signedIn },
      schema: {
        ...about('Catalogue', 'getImageOfFamily', 'Reads the newest image of a family'),
        ...params(`${path}/family/:family`),
        querystring: NoQuery,
        response: { 200: ImageResource, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    async (request, reply) => {
      const { family = '' } = request.params as { family?: string }
      const image = newestOfFamily(catalogue.images, family)
      if (image === undefined) throw notFound('Image family', family, request)
      tagReply(reply, image)
      return render.image(image)
    },
  )
}

/** What is to be used instead has to be there. */
function checkImagePatch(
  patch: Readonly<Record<string, unknown>>,
  request: FastifyRequest,
  { catalogue }: OperationPorts,
): Outcome<object> {
  const { replacement } = (patch['deprecation'] ?? {}) as { replacement?: string }
  if (replacement === undefined) return done(patch)
  const field = 'deprecation.replacement'
  const image = resolveImage(replacement, field, {
    ...{ catalogue, project: { id: '' }, serverHost: request.host },
  })
  if (image.kind === 'resolved') return done(patch)
  const [first, ...others] = image.problems
  if (first === undefined) throw new Error('A refusal has no problem in it.')
  return refuseAll([first, ...others])
}

function addProjects(server: Server, ports: OperationPorts): void {
  const { catalogue } = ports
  const render = catalogueRenderers(catalogue.region)
  addChangeable(
    server,
    {
      path: `${region}/projects`,
      plural: 'projects',
      noun: 'Project',
      collection: 'projects',
      access: signedIn,
      write: operatorOnly,
      schema: ProjectResource,
      list: (request) => {
        const principal = principalOf(request)
        return catalogue.projects.filter(
          ({ id }) => principal.operator || roleIn(principal, id) !== undefined,
        )
      },
      render: render.project,
      create: {
        body: CreateProjectBody,
        plan: (request) => planProject(request.body as CreateProject, ports),
      },
      update: { body: UpdateProject },
      beforeDelete: (project) => done(madeWith(project)),
    },
    ports,
  )
}

// Disks that outlive instances, and the verbs that give them to instances. What a host has to do is answered with 202 and
// an operation; what only the scheduler remembers is done when it is answered.
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { projectId } from '../../proto/ids.ts'
import {
  AttachDiskRequest,
  CreateDiskRequest,
  DetachDiskRequest,
  DiskPatch,
} from '../admission/disk-request.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import { attachDisk } from '../operations/attach-disk.ts'
import { changeInstance } from '../operations/change-instance.ts'
import {
  type AcceptedDisk,
  createDisk,
  deleteDisk,
  listDisks,
  readDisk,
  updateDisk,
} from '../operations/disks.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { about } from './about.ts'
import { projectAccess, projectOf } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { DiskResource, renderDisk } from './disk-resource.ts'
import { InstanceResource } from './instance-resource.ts'
import {
  ChangeHeaders,
  InstancePath,
  KeyHeader,
  MutationQuery,
  NoQuery,
  PageQuery,
  ProjectPath,
  parsePage,
  renderPageToken,
} from './parameters.ts'
import type { Server } from './server.ts'
import { answerAccepted, instancePath, requestOf } from './verb-routes.ts'

const collection = '/v1/regions/:region/projects/:project/compute/disks'
const errors = { '4xx': ErrorBody, '5xx': ErrorBody }
const viewer = { access: projectAccess('viewer') }
const editor = { access: projectAccess('editor') }
const change = { params: InstancePath, querystring: MutationQuery, headers: ChangeHeaders }

export function addDiskRoutes(server: Server, ports: OperationPorts): void {
  const { region } = ports.catalogue
  const answer = (reply: FastifyReply, { disk, operationId }: AcceptedDisk, code = 200) => {
    const paths = resourcePaths(region)
    if (operationId !== undefined) void reply.header('operation', paths.operation(disk.project, operationId))
    return reply
      .code(operationId === undefined ? code : 202)
      .header('location', paths.disk(disk.project, disk.id))
      .header('etag', `"${disk.revision}"`)
      .send(renderDisk(disk, region))
  }

  server.post(
    collection,
    {
      config: editor,
      schema: {
        ...about('Disks', 'createDisk', 'Creates a disk, blank or from an image'),
        params: ProjectPath,
        querystring: MutationQuery,
        headers: KeyHeader,
        body: CreateDiskRequest,
        response: { 201: DiskResource, ...errors },
      },
    },
    async (request, reply) => {
      const { body, host: serverHost } = request
      const asked = { ...requestOf(request, request.query), body, serverHost, project: projectOf(request) }
      const outcome = await createDisk(asked, ports)
      return outcome.kind === 'refused' ? answerRefusal(reply, outcome) : answer(reply, outcome.value, 201)
    },
  )

  server.get(
    collection,
    {
      config: viewer,
      schema: {
        ...about('Disks', 'listDisks', 'Lists disks by name'),
        params: ProjectPath,
        querystring: PageQuery,
        response: {
          200: Type.Object({ disks: Type.Array(DiskResource), nextPageToken: Type.Optional(Type.String()) }),
          ...errors,
        },
      },
    },
    async (request) => {
      const { pageSize, after } = parsePage(request)
      const where = { project: projectId(projectOf(request).id), pageSize }
      const { disks, nextAfterId } = await listDisks(
        after === undefined ? where : { ...where, afterId: after },
        ports,
      )
      const next = nextAfterId === undefined ? {} : { nextPageToken: renderPageToken(nextAfterId, request) }
      return { disks: disks.map((disk) => renderDisk(disk, region)), ...next }
    },
  )

  server.get(
    `${collection}/:id`,
    {
      config: viewer,
      schema: {
        ...about('Disks', 'getDisk', 'Reads a disk'),
        params: InstancePath,
        querystring: NoQuery,
        response: { 200: DiskResource, ...errors },
      },
    },
    async (request, reply) => {
      const { project, id } = request.params
      const outcome = await readDisk({ project: projectId(project), idOrUid: id }, ports)
      return outcome.kind === 'refused'
        ? answerRefusal(reply, outcome)
        : answer(reply, { disk: outcome.value })
    },
  )

  server.patch(
    `${collection}/:id`,
    {
      config: editor,
      schema: {
        ...about('Disks', 'updateDisk', 'Changes a disk by a merge patch; it only grows'),
        ...change,
        body: DiskPatch,
        response: { 200: DiskResource, 202: DiskResource, ...errors },
      },
    },
    async (request, reply) => {
      const asked = { ...requestOf(request, request.query), body: request.body }
      const outcome = await updateDisk(asked, ports)
      return outcome.kind === 'refused' ? answerRefusal(reply, outcome) : answer(reply, outcome.value)
    },
  )

  server.delete(
    `${collection}/:id`,
    {
      config: editor,
      schema: {
        ...about('Disks', 'deleteDisk', 'Deletes a disk with its data'),
        ...change,
        response: { 200: DiskResource, 202: DiskResource, ...errors },
      },
    },
    async (request, reply) => {
      const outcome = await deleteDisk(requestOf(request, request.query), ports)
      return outcome.kind === 'refused' ? answerRefusal(reply, outcome) : answer(reply, outcome.value)
    },
  )

  const verb = { ...change, response: { 202: InstanceResource, ...errors } }
  server.post(
    `${instancePath}::attachDisk`,
    {
      config: editor,
      schema: {
        ...about('Instances', 'attachDisk', 'Gives an instance a disk, also while it runs'),
        ...verb,
        body: AttachDiskRequest,
      },
    },
    async (request, reply) => {
      const { body, host: serverHost } = request
      const asked = { ...requestOf(request, request.query), body, serverHost, inProject: projectOf(request) }
      const outcome = await attachDisk(asked, ports)
      return outcome.kind === 'refused'
        ? answerRefusal(reply, outcome)
        : answerAccepted(reply, outcome.value, region)
    },
  )
  server.post(
    `${instancePath}::detachDisk`,
    {
      config: editor,
      schema: {
        ...about('Instances', 'detachDisk', 'Takes a disk from an instance, also while it runs'),
        ...verb,
        body: DetachDiskRequest,
      },
    },
    async (request, reply) => {
      const detach = request.body
      const asked = { ...requestOf(request, request.query), verb: 'detachDisk' as const, detach }
      const outcome = await changeInstance(asked, ports)
      return outcome.kind === 'refused'
        ? answerRefusal(reply, outcome)
        : answerAccepted(reply, outcome.value, region)
    },
  )
}

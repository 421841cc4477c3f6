// Bytes of images: operators bring them, hosts fetch them. The only bodies that are no JSON, and are never whole in memory.
import type { Readable } from 'node:stream'
import { Type } from 'typebox'
import { refuse } from '../errors.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { uploadImage } from '../operations/resources/images.ts'
import { about } from './about.ts'
import { operatorOnly, publicAccess } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { catalogueRenderers, ImageResource } from './catalogue-resources.ts'
import { findEntry, tagReply } from './collection-routes.ts'
import { NoQuery } from './parameters.ts'
import type { Server } from './server.ts'

const uploadPath = '/v1/regions/:region/compute/images/:id(^[^:/]+)::upload'

export async function addUploadRoutes(server: Server, ports: OperationPorts): Promise<void> {
  const { catalogue, uploads } = ports
  const render = catalogueRenderers(catalogue.region)
  // In a scope of their own: no other route takes such a body.
  await server.register(async (scope: Server) => {
    scope.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))
    scope.post(
      uploadPath,
      {
        config: { access: operatorOnly },
        bodyLimit: Number.MAX_SAFE_INTEGER,
        schema: {
          ...about('Catalogue', 'uploadImage', 'Brings the bytes of an image that was made without a url'),
          params: Type.Object({ region: Type.String(), id: Type.String() }),
          querystring: NoQuery,
          consumes: ['application/octet-stream'],
          response: { 200: ImageResource, '4xx': ErrorBody, '5xx': ErrorBody },
        },
      },
      async (request, reply) => {
        const find = () => findEntry({ list: () => catalogue.images, noun: 'Image' }, request)
        const outcome = await uploadImage(await find(), request.body as Readable, ports)
        if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
        const image = await find()
        tagReply(reply, image)
        return render.image(image)
      },
    )
  })
  // Hosts have no token of the API: who knows the hash knows what the bytes are.
  server.get(
    '/v1/blobs/:sha256',
    {
      config: { access: publicAccess },
      schema: { hide: true, params: Type.Object({ sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }) }) },
    },
    async (request, reply) => {
      const { sha256 } = request.params
      const blob = await uploads?.blobs.read(sha256)
      if (blob === undefined) return answerRefusal(reply, refuse('ROUTE_NOT_FOUND', { path: request.url }))
      return reply.type('application/octet-stream').header('content-length', blob.bytes).send(blob.stream)
    },
  )
}

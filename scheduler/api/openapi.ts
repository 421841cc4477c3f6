// The OpenAPI 3.1 document, made from the schemas that validate: there is no second description of the API. In: the routes
// as they were registered. Out: /openapi.json, and /docs, a page for people with nothing from elsewhere.
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifySchema } from 'fastify'
import { publicAccess } from './access.ts'
import { completeDocument } from './openapi-document.ts'
import type { Server } from './server.ts'

const docsPath = '/docs'

/** Nothing from elsewhere, and nobody else's frame. */
const contentPolicy =
  "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; frame-ancestors 'none'"

/** Before any route; what comes after it is in the document. */
export async function addOpenapi(server: Server): Promise<void> {
  // Routes of the page are registered by a library that knows nothing of access.
  server.addHook('onRoute', (route) => {
    if (route.url.startsWith(docsPath)) route.config = { ...route.config, access: publicAccess }
  })
  await server.register(swagger, {
    transform: ({ schema, url }) => ({ schema: withoutEmptyBody(schema), url }),
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Berth',
        version: '1.0.0',
        description:
          'Instances with GPUs on a region of Linux hypervisors. JSON, camelCase. References are path-only URIs. Every answer carries X-Request-Id.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/', description: 'This server.' }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'OpenID Connect.' },
        },
      },
      security: [{ bearer: [] }],
      tags: [
        { name: 'Instances', description: 'Virtual machines and what can be done with them.' },
        { name: 'Disks', description: 'Disks that outlive instances.' },
        { name: 'Operations', description: 'How requests ended.' },
        { name: 'Catalogue', description: 'What instances are made of.' },
        { name: 'Hosts', description: 'Hypervisors: for operators.' },
        { name: 'Identity', description: 'What proves who an instance is.' },
        { name: 'Health', description: 'For load balancers.' },
      ],
    },
  })
  await server.register(swaggerUi, { routePrefix: docsPath, staticCSP: contentPolicy })
}

/** After the last route. */
export function addOpenapiRoute(server: Server): void {
  let document: object | undefined
  server.get(
    '/openapi.json',
    { config: { access: publicAccess }, schema: { hide: true } },
    async (_request, reply) => {
      document ??= completeDocument(server.swagger())
      return reply.type('application/json').send(document)
    },
  )
}

/** A verb that takes no body is validated to have none; the document need not say how. */
function withoutEmptyBody(schema: FastifySchema): FastifySchema {
  const { body, ...rest } = schema
  const isEmpty = typeof body === 'object' && body !== null && !('properties' in body)
  return body === undefined || isEmpty ? rest : schema
}

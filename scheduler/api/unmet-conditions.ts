import type { FastifyInstance } from 'fastify'
import { refuse } from '../errors.ts'
import { RefusedError } from './json-body.ts'

/** A condition that a route does not know would be dropped in silence, and the change made that it was to prevent. */
export function refuseUnmetConditions(server: FastifyInstance): void {
  server.addHook('preValidation', async ({ method, headers, routeOptions }) => {
    const condition = headers['if-match']
    if (method === 'GET' || method === 'HEAD' || condition === undefined || condition.trim() === '*') return
    const known = (routeOptions.schema?.headers ?? {}) as { readonly properties?: object }
    if (routeOptions.config.access?.kind === 'public' || Object.hasOwn(known.properties ?? {}, 'if-match'))
      return
    const message = 'If-Match is not possible here: what this changes has no ETag. Leave it out.'
    throw new RefusedError(refuse('INVALID_VALUE', { message }, 'If-Match'))
  })
}

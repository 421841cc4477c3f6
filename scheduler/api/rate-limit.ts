import rateLimit from '@fastify/rate-limit'
import { refuse } from '../errors.ts'
import { RefusedError } from './json-body.ts'
import type { Server } from './server.ts'

/** So many requests a minute of each principal, counted after it has proved who it is. */
export async function addRateLimit(server: Server, requestsPerMinute: number): Promise<void> {
  await server.register(rateLimit, {
    global: true,
    hook: 'preHandler',
    max: requestsPerMinute,
    timeWindow: 60_000,
    keyGenerator: ({ principal }) => principal?.subject ?? '',
    // What needs no token is asked by load balancers.
    allowList: ({ principal }) => principal === undefined,
    errorResponseBuilder: (_request, { max, ttl }) =>
      new RefusedError(refuse('TOO_MANY_REQUESTS', { limit: max, seconds: Math.ceil(ttl / 1000) })),
  })
}

import { refuse } from '../errors.ts'
import { publicAccess } from './access.ts'
import { answerRefusal } from './answer.ts'
import type { Server } from './server.ts'

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** Notes every route that is added from here on; the result answers all other methods on their paths with 405. */
export function collectRoutes(server: Server): () => void {
  const allowed = new Map<string, Set<string>>()
  server.addHook('onRoute', ({ url, method }) => {
    const known = allowed.get(url) ?? new Set()
    for (const name of [method].flat()) known.add(name)
    allowed.set(url, known)
  })
  return () => {
    for (const [url, known] of [...allowed]) {
      const list = [...known].sort().join(', ')
      server.route({
        url,
        method: methods.filter((method) => !known.has(method)),
        config: { access: publicAccess },
        schema: { hide: true },
        handler: (request, reply) =>
          answerRefusal(
            reply.header('allow', list),
            refuse('METHOD_NOT_ALLOWED', { method: request.method, allowed: list }),
          ),
      })
    }
  }
}

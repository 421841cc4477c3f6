import type { FastifyRequest } from 'fastify'

/** What a client of a console offers as WebSocket subprotocol, and gets. */
export const consoleProtocol = 'console.berth'

/**
 * The Authorization header, or what stands for it in a browser, whose WebSockets send no headers of one's own: a
 * subprotocol `bearer.TOKEN`.
 */
export function authorizationOf(request: FastifyRequest): string | undefined {
  const { authorization } = request.headers
  const { takesBearerProtocol } = request.routeOptions.config
  if (authorization !== undefined || !takesBearerProtocol) return authorization
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim())
  const token = offered.find((one) => one.startsWith('bearer.'))?.slice('bearer.'.length)
  return token === undefined ? undefined : `Bearer ${token}`
}

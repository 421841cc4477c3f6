import type { Socket } from 'node:net'
import type { Server } from './server.ts'

/**
 * A server that closes waits for its connections. Those on which nothing has been asked yet, as clients open some ahead,
 * it would wait for until they time out: they are cut.
 */
export function cutSilentConnections(server: Server): void {
  const silent = new Set<Socket>()
  server.server.on('connection', (socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  for (const event of ['request', 'upgrade'] as const) {
    server.server.on(event, ({ socket }) => silent.delete(socket))
  }
  server.addHook('preClose', async () => {
    for (const socket of silent) socket.destroy()
  })
}

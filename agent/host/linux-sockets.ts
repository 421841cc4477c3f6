import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { ByteSocket, LineSocket, OneConnection, Sockets } from './ports.ts'

/** More than any answer that is asked for. The other end may be run by a guest's user: it must not fill our memory. */
const maxLineCharacters = 4 * 1024 * 1024

/** Unix sockets that carry lines, or bytes. */
export function createLinuxSockets(): Sockets {
  return {
    connect: (path, options = {}) =>
      new Promise((resolve, reject) => {
        const socket = connect(path)
        socket.setTimeout(options.timeoutMs ?? 5000)
        socket.once('timeout', () => socket.destroy(new Error(`${path} did not answer.`)))
        socket.once('error', reject)
        socket.once('connect', () => {
          socket.setTimeout(0)
          socket.removeAllListeners('timeout')
          socket.off('error', reject)
          resolve(linesOf(socket))
        })
      }),
    listenOnce,
  }
}

async function listenOnce(path: string): Promise<OneConnection> {
  const server = createServer({ pauseOnConnect: true })
  const { promise: connection, resolve } = Promise.withResolvers<ByteSocket>()
  server.once('connection', (socket) => {
    resolve(bytesOf(socket))
    server.on('connection', (other) => other.destroy())
    server.close()
  })
  server.listen({ path, writableAll: true })
  await once(server, 'listening')
  return { connection, close: () => void server.close() }
}

function bytesOf(socket: Socket): ByteSocket {
  // Whoever reads is told by the close that follows.
  socket.on('error', () => {})
  return {
    write: async (bytes) => {
      if (!socket.writable || socket.write(bytes)) return
      const ending = new AbortController()
      const { signal } = ending
      await Promise.race([once(socket, 'drain', { signal }), once(socket, 'close', { signal })]).catch(
        () => {},
      )
      ending.abort()
    },
    onBytes: (listener) => {
      socket.on('data', (bytes: Buffer) => {
        socket.pause()
        void listener(bytes).finally(() => socket.resume())
      })
      socket.resume()
    },
    onClose: (listener) => {
      if (socket.closed) queueMicrotask(listener)
      else socket.once('close', () => listener())
    },
    end: () => void socket.end(),
    close: () => socket.destroy(),
  }
}

function linesOf(socket: Socket): LineSocket {
  let failure: Error | undefined
  socket.on('error', (error) => {
    failure = error
  })
  return {
    send: (line) => {
      if (socket.writable) socket.write(`${line}\n`)
    },
    // Nothing is read before there is someone to take it.
    onLine: (listener) => {
      let rest = ''
      socket.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) listener(line)
        if (rest.length <= maxLineCharacters) return
        rest = ''
        socket.destroy(new Error(`A line of more than ${maxLineCharacters} characters came.`))
      })
    },
    onClose: (listener) => {
      if (socket.closed) queueMicrotask(() => listener(failure))
      else socket.once('close', () => listener(failure))
    },
    close: () => socket.destroy(),
  }
}

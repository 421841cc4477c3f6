import { connect } from 'node:net'
import type { LineSocket, Sockets } from './ports.ts'

/** More than any answer that is asked for. The other end may be run by a guest's user: it must not fill our memory. */
const maxLineCharacters = 4 * 1024 * 1024

/** Unix sockets that carry lines. */
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
  }
}

function linesOf(socket: ReturnType<typeof connect>): LineSocket {
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

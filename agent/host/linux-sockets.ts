import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { LineSocket, Sockets } from './ports.ts'

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
  const waiting: string[] = []
  let deliver: ((line: string) => void) | undefined
  socket.on('error', (error) => {
    failure = error
  })
  const reader = createInterface({ input: socket })
  // The reader repeats the socket's errors, such as the reset that `quit` of QEMU brings.
  reader.on('error', () => {})
  reader.on('line', (line) => {
    if (deliver) deliver(line)
    else waiting.push(line)
  })
  return {
    send: (line) => {
      if (socket.writable) socket.write(`${line}\n`)
    },
    onLine: (listener) => {
      deliver = listener
      for (const line of waiting.splice(0)) listener(line)
    },
    onClose: (listener) => {
      if (socket.closed) queueMicrotask(() => listener(failure))
      else socket.once('close', () => listener(failure))
    },
    close: () => socket.destroy(),
  }
}

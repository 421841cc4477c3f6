import { once } from 'node:events'
import { connect } from 'node:net'

export interface HttpAnswer {
  readonly status: number
  /** Headers as they came, a blank line, body. */
  readonly text: string
}

export interface HttpClient {
  /** One after the other. */
  ask(request: Buffer): Promise<HttpAnswer>
  close(): void
}

/** A connection that is kept and does no more with an answer than find where it ends: the clients share the machine. */
export async function openClient(port: number): Promise<HttpClient> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  let waiting: PromiseWithResolvers<HttpAnswer> | undefined
  let rest = ''
  socket.setEncoding('latin1').on('data', (data: string) => {
    rest += data
    const headEnd = rest.indexOf('\r\n\r\n')
    if (headEnd === -1) return
    const length = Number(/content-length: (\d+)/i.exec(rest)?.[1] ?? 0)
    if (rest.length < headEnd + 4 + length) return
    const text = rest
    rest = ''
    waiting?.resolve({ status: Number(text.slice(9, 12)), text })
  })
  socket.on('close', () => waiting?.reject(new Error('The server has closed a connection.')))
  return {
    ask: (request) => {
      waiting = Promise.withResolvers()
      socket.write(request)
      return waiting.promise
    },
    close: () => {
      waiting = undefined
      socket.destroy()
    },
  }
}

export function renderRequest(
  method: 'POST' | 'DELETE',
  path: string,
  { token, body, key }: { token: string; body?: string; key?: string },
): Buffer {
  const lines = [
    ...[`${method} ${path} HTTP/1.1`, 'Host: 127.0.0.1', `Authorization: Bearer ${token}`],
    ...(key === undefined ? [] : [`Idempotency-Key: ${key}`]),
    ...(body === undefined
      ? []
      : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]),
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body ?? ''}`)
}

export interface Load {
  /** How long each took, in ms. */
  readonly took: readonly number[]
  readonly ms: number
}

/** All clients at once, each one request after the other, for as long as there is a next one. */
export async function askAll(
  clients: readonly HttpClient[],
  next: () => Buffer | undefined,
  onAnswer: (answer: HttpAnswer) => void,
): Promise<Load> {
  const took: number[] = []
  const beganMs = performance.now()
  await Promise.all(
    clients.map(async (client) => {
      for (let request = next(); request !== undefined; request = next()) {
        const fromMs = performance.now()
        const answer = await client.ask(request)
        took.push(performance.now() - fromMs)
        onAnswer(answer)
      }
    }),
  )
  return { took, ms: performance.now() - beganMs }
}

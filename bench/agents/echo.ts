// The floor of sessions: bare grpc-js, bytes in and bytes out. node bench/agents/echo.ts serve | connect PORT COUNT
//
// The server greets who connects, as a session is welcomed, and asked, writes to every stream and counts what comes back.
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
} from '@grpc/grpc-js'
import { type AgentsQuestion, type ServerQuestion, startDelivering, usedBytes } from './questions.ts'

const path = '/bench.Echo/Session'
const same = (bytes: Buffer) => bytes
const service: ServiceDefinition = {
  session: {
    ...{ path, requestStream: true, responseStream: true },
    ...{ requestSerialize: same, requestDeserialize: same },
    ...{ responseSerialize: same, responseDeserialize: same },
  },
}
/** As long as an acknowledgement, with its two ids. */
const answer = Buffer.alloc(60, 1)

// With whoever has started it.
process.on('disconnect', () => process.exit(0))

const [role, portText = '0', countText = '0'] = process.argv.slice(2)
if (role === 'serve') serve()
else connectAll(Number(portText), Number(countText))

function serve(): void {
  const streams = new Set<ServerDuplexStream<Buffer, Buffer>>()
  let onAnswer = () => {}
  const server = new Server()
  server.addService(service, {
    session: (stream: ServerDuplexStream<Buffer, Buffer>) => {
      let isGreeted = false
      streams.add(stream)
      stream.on('data', () => {
        if (isGreeted) onAnswer()
        else stream.write(answer)
        isGreeted = true
      })
      for (const end of ['end', 'error', 'cancelled']) stream.on(end, () => streams.delete(stream))
    },
  })
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error
    process.send?.(port)
  })
  process.on('message', (question: ServerQuestion) => {
    if (question.ask === 'memory') {
      process.send?.(usedBytes())
      return
    }
    let left = streams.size * question.each
    const end = startDelivering()
    onAnswer = () => {
      left -= 1
      if (left === 0) process.send?.(end())
    }
    const command = Buffer.alloc(question.bytes, 1)
    for (const stream of streams) for (let sent = 0; sent < question.each; sent += 1) stream.write(command)
  })
}

function connectAll(port: number, count: number): void {
  let clients: { readonly client: Client; cancel(): void }[] = []
  const connect = (onGreeted: () => void) => {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    })
    const stream = client.makeBidiStreamRequest(path, same, same, new Metadata())
    let isGreeted = false
    stream.on('error', () => {})
    stream.on('data', () => {
      if (isGreeted) stream.write(answer)
      else onGreeted()
      isGreeted = true
    })
    stream.write(answer)
    clients.push({ client, cancel: () => stream.cancel() })
  }
  process.on('message', (question: AgentsQuestion) => {
    if (question.ask === 'break') {
      for (const { client, cancel } of clients) {
        cancel()
        client.close()
      }
      clients = []
      process.send?.({ tookMs: 0 })
      return
    }
    const beganMs = performance.now()
    let left = count
    for (let index = 0; index < count; index += 1) {
      connect(() => {
        left -= 1
        if (left === 0) process.send?.({ tookMs: performance.now() - beganMs })
      })
    }
  })
}

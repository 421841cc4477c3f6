import { create } from '@bufbuild/protobuf'
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js'
import { grpcServiceOf } from '../../../lib/grpc-service.ts'
import {
  AgentService,
  type SessionRequest,
  type SessionResponse,
  SessionResponseSchema,
  WelcomeSchema,
} from '../../../proto/gen/berth/agent/v1/session_pb.ts'

export type SaidBody = SessionRequest['body']

/** A scheduler that says what a test says: Welcome after each Hello, then whatever is sent by hand. */
export async function startScriptedScheduler(
  welcome: {
    epoch?: number
    silenceAfterMs?: number
    heartbeatIntervalMs?: number
    onHeard?: (body: SaidBody) => void
  } = {},
) {
  const heard: SaidBody[] = []
  let sessions = 0
  let current: ServerDuplexStream<SessionRequest, SessionResponse> | undefined
  const send = (body: SessionResponse['body']) => current?.write(create(SessionResponseSchema, { body }))
  const server = new Server()
  server.addService(grpcServiceOf(AgentService), {
    session: (call: ServerDuplexStream<SessionRequest, SessionResponse>) => {
      sessions += 1
      current = call
      call.on('error', () => {})
      call.on('data', ({ body }: SessionRequest) => {
        heard.push(body)
        welcome.onHeard?.(body)
        if (body.case !== 'hello') return
        const value = create(WelcomeSchema, {
          ...{ sessionId: `session-${sessions}`, epoch: welcome.epoch ?? 2 },
          heartbeatIntervalMs: welcome.heartbeatIntervalMs ?? 20,
          silenceAfterMs: welcome.silenceAfterMs ?? 60_000,
        })
        send({ case: 'welcome', value })
      })
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  return {
    address: `127.0.0.1:${port}`,
    heard,
    send,
    sessions: () => sessions,
    of: <Case extends NonNullable<SaidBody['case']>>(name: Case) =>
      heard.filter((body): body is Extract<SaidBody, { case: Case }> => body.case === name),
    close: async () => server.forceShutdown(),
  }
}

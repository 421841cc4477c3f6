// GET …/console, upgraded to a WebSocket: binary messages are what the guest writes and reads, text messages are sentences
// for a person. In: viewers who may look, editors who may type too. Out: history first, then what comes. A viewer that is
// too slow is cut off, and nobody waits for it. Refusals come before the upgrade, as answers like any other.
import websocket, { type WebSocket } from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { projectId } from '../../proto/ids.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import { includesRole, roleIn } from '../auth/roles.ts'
import { type AttachedConsole, Consoles } from '../operations/consoles.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { about } from './about.ts'
import { principalOf, projectAccess } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { writeAudit } from './audit.ts'
import { consoleProtocol } from './bearer-protocol.ts'
import { createConsoleOutput } from './console-output.ts'
import { InstancePath, parseInteger } from './parameters.ts'
import type { Server } from './server.ts'
import { instancePath } from './verb-routes.ts'

/** Of one message of a viewer. */
const maximumMessageBytes = 64 * 1024
/** What a viewer may be behind. */
const maximumUnsentBytes = 1024 * 1024
const pingIntervalMs = 15_000
const closingMs = 1000
/** Of setTimeout. */
const longestTimerMs = 2 ** 31 - 1

/** Of RFC 6455. */
const closeCodes = { ended: 1000, closing: 1001, notAllowed: 1008, lost: 1011, tooSlow: 1013 } as const

const ConsoleQuery = Type.Object(
  {
    start: Type.Optional(
      Type.String({
        description:
          'A byte offset, as those of the serial output: nothing before it is sent, and each binary message begins with the offset of the first byte behind it, in eight bytes, the highest first. Who connects again with where the last message ended misses nothing that is kept and sees nothing twice.',
      }),
    ),
  },
  { additionalProperties: false },
)

const ConsoleResource = Type.Object(
  {
    selfLink: Type.String(),
    viewers: Type.Integer({ description: 'How many look at it now.' }),
    mayType: Type.Boolean({ description: 'Whether you may type; that takes the role editor.' }),
  },
  { title: 'Console' },
)

declare module 'fastify' {
  interface FastifyRequest {
    attachedConsole: AttachedConsole | undefined
  }
}

/** Before any route, and before anything that looks at `request.ws`. */
export async function addWebsockets(server: Server): Promise<void> {
  await server.register(websocket, {
    options: {
      maxPayload: maximumMessageBytes,
      // Never the one with the token.
      handleProtocols: (offered) => (offered.has(consoleProtocol) ? consoleProtocol : false),
    },
    errorHandler: (_error, socket) => socket.terminate(),
    // The routes close their own, with a sentence.
    preClose: (done) => done(),
  })
}

export function addConsoleRoute(server: Server, ports: OperationPorts): void {
  const consoles = new Consoles(ports)
  const open = new Set<WebSocket>()
  server.decorateRequest('attachedConsole', undefined)
  server.addHook('preClose', async () => {
    for (const socket of open) {
      socket.close(closeCodes.closing, 'The scheduler is closing. Connect again.')
      // A server that closes waits for its connections.
      ports.clock.after(closingMs, () => socket.terminate())
    }
    consoles.close()
  })
  server.route({
    method: 'GET',
    url: `${instancePath}/console`,
    config: { access: projectAccess('viewer'), takesBearerProtocol: true },
    schema: {
      ...about('Instances', 'openConsole', "Opens an instance's console as a WebSocket, or says who looks"),
      description: consoleDescription,
      params: InstancePath,
      querystring: ConsoleQuery,
      response: { 200: ConsoleResource, '4xx': ErrorBody, '5xx': ErrorBody },
    },
    preHandler: async (request, reply) => {
      // One that makes no sense is refused while there is an answer to do it with.
      startOf(request)
      if (!request.ws) return
      const outcome = await consoles.attach(addressOf(request))
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      request.attachedConsole = outcome.value
      // A client that goes, or has gone meanwhile, never gets to the handler.
      request.raw.socket.once('close', outcome.value.leave)
      if (request.raw.socket.destroyed) outcome.value.leave()
      await writeAudit(request, { status: 101 }, ports)
      return undefined
    },
    wsHandler: (socket, request) => {
      open.add(socket)
      socket.once('close', () => open.delete(socket))
      serve(socket, request, ports)
    },
    handler: async (request, reply) => {
      const address = addressOf(request)
      const outcome = await consoles.describe(address)
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      const { instanceId, viewers } = outcome.value
      const path = resourcePaths(ports.catalogue.region).instance(address.project, instanceId)
      return { selfLink: `${path}/console`, viewers, mayType: mayType(request) }
    },
  })
}

const consoleDescription = [
  'Binary messages from the server are what the guest writes to its serial port, the last 64 KiB first; text messages',
  'are sentences for a person. A client whose connection broke says with start where it was, and sees nothing twice. What',
  'the client sends is typed; that takes the role editor. A browser sends its token as',
  `subprotocol: ${consoleProtocol}, and bearer. with the token behind it. Close codes: 1000 the guest has stopped, 1001`,
  'the server closes, 1008 the token has expired, 1011 its host is out of reach, 1013 you read too slowly. Without an',
  'upgrade the answer says whether there is a console, for clients that are not told why an upgrade is refused.',
].join(' ')

function addressOf({ params }: FastifyRequest) {
  const { project, id } = params as { project: string; id: string }
  return { project: projectId(project), idOrUid: id }
}

/** undefined for a viewer that wants the output alone. */
function startOf({ query }: FastifyRequest): bigint | undefined {
  const { start } = query as { start?: string }
  if (start === undefined) return undefined
  return parseInteger(start, { name: 'start', minimum: 0n, maximum: 2n ** 63n - 1n, absent: 0n })
}

function mayType(request: FastifyRequest): boolean {
  const { project } = request.params as { project: string }
  const role = roleIn(principalOf(request), project)
  return role !== undefined && includesRole(role, 'editor')
}

function serve(socket: WebSocket, request: FastifyRequest, { clock, log }: OperationPorts): void {
  const { attachedConsole: console } = request
  if (console === undefined) throw new Error('A console was not attached before its upgrade.')
  const canType = mayType(request)
  let isAlive = true
  let hasBeenTold = false
  const stops = [
    // A console outlives no token: who may type is decided when it begins.
    clock.after(Math.min(principalOf(request).expiresAtMs - clock.nowMs(), longestTimerMs), () =>
      socket.close(closeCodes.notAllowed, 'Your token has expired. Connect again with a new one.'),
    ),
    clock.every(pingIntervalMs, () => {
      // One that types faster than its guest reads is not heard meanwhile.
      if (!isAlive && !socket.isPaused) socket.terminate()
      isAlive = false
      socket.ping()
    }),
  ]
  socket.on('pong', () => {
    isAlive = true
  })
  socket.once('close', () => {
    for (const stop of stops) stop()
    console.leave()
  })
  socket.on('message', (data) => {
    if (canType) {
      socket.pause()
      void console
        // Of a socket with the default binaryType.
        .type(data as Buffer)
        .catch((err: unknown) =>
          log.warn({ err, requestId: request.id }, 'What was typed could not be sent.'),
        )
        .finally(() => socket.resume())
    } else if (!hasBeenTold) {
      hasBeenTold = true
      socket.send('You may look, and not type: that takes the role editor.')
    }
  })
  const send = (message: Uint8Array | string) => {
    if (socket.readyState !== socket.OPEN) return
    if (socket.bufferedAmount <= maximumUnsentBytes) {
      socket.send(message)
      return
    }
    socket.close(closeCodes.tooSlow, 'You read slower than the guest writes. Connect again.')
    // What is unsent stands before that, and is never read.
    clock.after(pingIntervalMs, () => socket.terminate())
  }
  console.show({
    show: createConsoleOutput(startOf(request), { output: send, note: send }),
    note: send,
    end: ({ kind, message }) => socket.close(closeCodes[kind], firstBytes(message)),
  })
}

/** A close frame has room for so much. */
const firstBytes = (text: string) => new TextDecoder().decode(Buffer.from(text).subarray(0, 120))

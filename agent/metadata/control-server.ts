import { rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { describeCauses } from '../../lib/log.ts'
import { type ControlReply, type ControlRequest, parseControlRequest } from './control-protocol.ts'
import type { Keeper } from './keeper.ts'

interface ControlServer {
  readonly path: string
  readonly keeper: Keeper
  /** Somebody asked for the end; the reply has left. */
  readonly onEnd: () => void
}

/** Takes requests on a unix socket. Gives what closes it, or undefined where a living keeper has the socket. */
export async function listenForControl(options: ControlServer): Promise<(() => void) | undefined> {
  if (await isAnswered(options.path)) return undefined
  // What a killed keeper has left; nobody listens there.
  rmSync(options.path, { force: true })
  const server = createServer((socket) => serve(socket, options))
  // The mask, not a later chmod: there is no moment in which others may connect.
  const mask = process.umask(0o177)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(options.path, resolve)
    })
  } finally {
    process.umask(mask)
  }
  return () => server.close()
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function serve(socket: Socket, options: ControlServer): void {
  const reply = (answer: ControlReply, then?: () => void) =>
    socket.write(`${JSON.stringify(answer)}\n`, () => then?.())
  socket.on('error', () => socket.destroy())
  createInterface({ input: socket }).on('line', (line) => {
    const request = parseControlRequest(line)
    if (!request) {
      reply({ id: 0, ok: false, message: 'This is no request that the keeper knows.' })
      return
    }
    carryOut(request, options.keeper).then(
      (answer) => reply(answer, request.verb === 'end' ? options.onEnd : undefined),
      (thrown: unknown) => reply({ id: request.id, ok: false, message: describeCauses(thrown) }),
    )
  })
}

async function carryOut(request: ControlRequest, keeper: Keeper): Promise<ControlReply> {
  const { id } = request
  switch (request.verb) {
    case 'listen':
      await keeper.listen(request.networkUid, request.namespace)
      return { id, ok: true }
    case 'stop':
      await keeper.stop(request.networkUid)
      return { id, ok: true }
    case 'status':
      return { id, ok: true, status: keeper.status() }
    case 'end':
      return { id, ok: true }
  }
}

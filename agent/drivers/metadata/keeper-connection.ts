import type { Clock } from '../../../lib/clock.ts'
import type { LineSocket } from '../../host/ports.ts'
import type { ControlReply, ControlRequest } from '../../metadata/control-protocol.ts'

type Unnumbered<Request> = Request extends unknown ? Omit<Request, 'id'> : never
export type KeeperRequest = Unnumbered<ControlRequest>

/** Requests and replies on one connection to the keeper's control socket. */
export interface KeeperConnection {
  /** @throws if the keeper refuses, is gone, or says nothing in time. */
  request(request: KeeperRequest): Promise<void>
  close(): void
}

/** Longer than the keeper itself waits for anything. */
const replyTimeoutMs = 90_000

export function createKeeperConnection(options: {
  socket: LineSocket
  clock: Clock
  onClose: () => void
}): KeeperConnection {
  const { socket, clock } = options
  const waiting = new Map<number, (reply: ControlReply) => void>()
  let lastId = 0

  socket.onLine((line) => {
    const reply = JSON.parse(line) as ControlReply
    waiting.get(reply.id)?.(reply)
  })
  socket.onClose(() => {
    for (const [id, settle] of [...waiting]) {
      settle({ id, ok: false, message: 'it ended before it answered' })
    }
    options.onClose()
  })

  return {
    request: async (request) => {
      lastId += 1
      const id = lastId
      const reply = await new Promise<ControlReply>((resolve) => {
        const cancel = clock.after(replyTimeoutMs, () =>
          settle({ id, ok: false, message: 'it gave no answer' }),
        )
        const settle = (answer: ControlReply) => {
          cancel()
          waiting.delete(id)
          resolve(answer)
        }
        waiting.set(id, settle)
        socket.send(JSON.stringify({ ...request, id }))
      })
      if (!reply.ok) throw new Error(`The metadata keeper could not ${request.verb}: ${reply.message}.`)
    },
    close: () => socket.close(),
  }
}

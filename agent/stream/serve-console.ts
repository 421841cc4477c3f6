import { create } from '@bufbuild/protobuf'
import type { Client, ClientDuplexStream, Metadata } from '@grpc/grpc-js'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import {
  ConsoleEndSchema,
  ConsoleOutputSchema,
  type ConsoleRequest,
  ConsoleRequestSchema,
  type ConsoleResponse,
} from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { Console, ConsolePart } from './ports.ts'

/** Carries a console to the scheduler until either ends it or the signal comes, and closes it then. */
export type ServeConsole = (options: {
  readonly transferId: string
  readonly console: Console
  readonly signal: AbortSignal
}) => void

const chunkBytes = 32 * 1024
const stuckAfterMs = 2000

/** A call of its own beside the session: what a guest writes can't delay commands. */
export function serveConsoleOver(
  client: Client,
  metadata: Metadata,
  { clock, log }: { clock: Clock; log: Logger },
): ServeConsole {
  const open = (client as unknown as Record<string, unknown>)['console'] as (
    metadata: Metadata,
  ) => ClientDuplexStream<ConsoleRequest, ConsoleResponse>
  return ({ transferId, console, signal }) => {
    const call = open.call(client, metadata)
    const over = Promise.withResolvers<void>()
    let isOver = false
    const end = () => {
      if (isOver) return
      isOver = true
      over.resolve()
      call.cancel()
      signal.removeEventListener('abort', end)
      console.close().catch((err: unknown) => log.warn({ err, transferId }, 'A console could not be closed.'))
    }
    call.on('error', end)
    call.on('end', end)
    if (signal.aborted) {
      end()
      return
    }
    signal.addEventListener('abort', end)
    // A guest that reads slowly slows down who types; one that reads nothing loses it, or the end would not be heard.
    let isStuck = false
    call.on('data', ({ input }: ConsoleResponse) => {
      if (isStuck) return
      call.pause()
      const cancel = clock.after(stuckAfterMs, () => {
        isStuck = true
        call.resume()
      })
      void console.write(input).finally(() => {
        cancel()
        isStuck = false
        call.resume()
      })
    })

    const send = async (request: ConsoleRequest) => {
      if (isOver || call.write(request)) return
      const drained = new Promise<void>((resolve) => call.once('drain', resolve))
      await Promise.race([drained, over.promise])
    }
    const pump = async () => {
      await send(create(ConsoleRequestSchema, { transferId }))
      while (!isOver) {
        const part = await console.read(chunkBytes)
        await send(create(ConsoleRequestSchema, { body: bodyOf(part) }))
        // The scheduler ends the call once it has read this.
        if (part.kind === 'ended') return
      }
    }
    pump().catch((err: unknown) => {
      log.warn({ err, transferId }, 'A console could not be read.')
      end()
    })
  }
}

function bodyOf(part: ConsolePart): ConsoleRequest['body'] {
  if (part.kind === 'ended') {
    const { reason, message } = part
    return { case: 'end', value: create(ConsoleEndSchema, { reason, message }) }
  }
  return {
    case: 'output',
    value: create(ConsoleOutputSchema, { start: part.start, chunk: part.bytes }),
  }
}

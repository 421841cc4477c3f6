// `?watch=true`: changes as server-sent events. In: a project or one instance, and where an earlier stream ended
// (Last-Event-ID). Out: `changed` and `deleted`, `left` for what has changed and is none of what the filter asks for,
// `synced` once all that there was is told, `forgotten` before an end after which a client begins anew. A reader that is too slow slows down its own stream and nobody else's.
import type { FastifyReply, FastifyRequest } from 'fastify'
import PQueue from 'p-queue'
import { Type } from 'typebox'
import { refuse } from '../errors.ts'
import type { OperationPorts } from '../operations/ports.ts'
import {
  concerns,
  type InstanceChange,
  isWanted,
  type WatchBatch,
  type WatchRequest,
  watchInstances,
} from '../operations/watch-instances.ts'
import { principalOf } from './access.ts'
import { openEventStream, SharedText } from './event-stream.ts'
import { renderInstance } from './instance-resource.ts'
import { RefusedError } from './json-body.ts'
import type { Server } from './server.ts'

export const WatchQuery = Type.Object(
  { watch: Type.Optional(Type.String({ description: 'true: a stream of server-sent events.' })) },
  { additionalProperties: false },
)

const heartbeatMs = 15_000
/** Of setTimeout. */
const longestTimerMs = 2 ** 31 - 1

/** Whether a stream is asked for. @throws RefusedError where other parameters make no sense with it */
export function isWatch(query: { readonly watch?: string }): boolean {
  if (query.watch === undefined || query.watch === 'false') return false
  const others = Object.keys(query).filter((name) => name !== 'watch' && name !== 'filter')
  const message =
    query.watch !== 'true'
      ? 'watch is true or false.'
      : others.length > 0
        ? `A watch takes no ${others.join(', ')}: it tells everything, in the order of the changes.`
        : undefined
  if (message === undefined) return true
  throw new RefusedError(refuse('INVALID_VALUE', { message }, others[0] ?? 'watch'))
}

export interface Watches {
  stream(request: FastifyRequest, reply: FastifyReply, what: What): Promise<FastifyReply>
}

export function addWatches(server: Server, ports: OperationPorts): Watches {
  const open = new Set<AbortController>()
  const listing = new PQueue({ concurrency: 4 })
  const renderFor = createRenderer(ports.catalogue.region)
  server.addHook('preClose', async () => {
    for (const one of open) one.abort()
  })
  return {
    stream: async (request, reply, what) => {
      const after = parseLastEventId(request)
      const ending = new AbortController()
      open.add(ending)
      const end = () => ending.abort()
      request.raw.socket.once('close', end)
      const stream = openEventStream(request, reply)
      const stops = [
        // A stream outlives no token: what it may show is decided when it begins.
        ports.clock.after(
          Math.min(principalOf(request).expiresAtMs - ports.clock.nowMs(), longestTimerMs),
          end,
        ),
        ports.clock.every(heartbeatMs, stream.heartbeat),
      ]
      try {
        const asked = after === undefined ? what : { ...what, after }
        const render = renderFor(what)
        for await (const batch of watchInstances(asked, { ...ports, listing }, ending.signal)) {
          ending.signal.throwIfAborted()
          await stream.send(render(batch), ending.signal)
        }
      } catch (thrown) {
        if (!ending.signal.aborted) ports.log.error({ requestId: request.id, err: thrown }, 'A watch failed.')
      } finally {
        for (const stop of stops) stop()
        request.raw.socket.off('close', end)
        open.delete(ending)
        stream.end()
      }
      return reply
    },
  }
}

type What = Omit<WatchRequest, 'after'> & { readonly filterText?: string }

/** Batches as text. Many watch the same changes: the text of each is made once, and so is that of all for all who ask for the same. */
function createRenderer(region: string): (what: What) => (batch: WatchBatch) => SharedText {
  const known = new WeakMap<WatchBatch, Map<string, SharedText>>()
  const renderText = createTextRenderer(region)
  return (what) => {
    const key = JSON.stringify([what.project, what.uid, what.filterText])
    return (batch) => {
      const forBatch = known.get(batch) ?? new Map<string, SharedText>()
      const text = forBatch.get(key) ?? new SharedText(renderText(batch, what))
      known.set(batch, forBatch.set(key, text))
      return text
    }
  }
}

function createTextRenderer(region: string): (batch: WatchBatch, what: What) => string {
  const texts = new WeakMap<InstanceChange, string>()
  const textOf = (change: InstanceChange): string => {
    const known = texts.get(change)
    if (known !== undefined) return known
    const text =
      change.kind === 'changed'
        ? renderEvent('changed', renderInstance(change.instance, region), change.change)
        : renderEvent('deleted', { uid: change.uid, id: change.id }, change.change)
    texts.set(change, text)
    return text
  }
  /** Whether the reader knew it is not known here: it may have come from another server, with Last-Event-ID. */
  const textOfLeft = ({ change, instance: { uid, id } }: Extract<InstanceChange, { kind: 'changed' }>) =>
    renderEvent('left', { uid, id }, change)
  return (batch, what) => {
    switch (batch.kind) {
      case 'existing':
        return batch.instances
          .map((instance) => renderEvent('changed', renderInstance(instance, region)))
          .join('')
      case 'synced':
        return renderEvent('synced', {}, batch.change)
      case 'forgotten':
        return renderEvent('forgotten', {
          message: 'It was too long ago: begin anew, without Last-Event-ID.',
        })
      case 'changes':
        return batch.changes
          .filter((change) => concerns(change, what))
          .map((change) =>
            change.kind === 'deleted' || isWanted(change.instance, what)
              ? textOf(change)
              : textOfLeft(change),
          )
          .join('')
    }
  }
}

const renderEvent = (event: string, data: object, id?: number): string =>
  `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`

function parseLastEventId(request: FastifyRequest): number | undefined {
  const header = request.headers['last-event-id']
  if (header === undefined || header === '') return undefined
  if (typeof header === 'string' && /^\d{1,15}$/.test(header)) return Number(header)
  const message = 'Last-Event-ID takes the id of the last event that was received.'
  throw new RefusedError(refuse('INVALID_VALUE', { message }, 'Last-Event-ID'))
}

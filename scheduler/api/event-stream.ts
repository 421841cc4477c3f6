// One answer of server-sent events, compressed for a client that takes gzip. What many streams send is made into bytes once
// for each way of sending it.
import { once } from 'node:events'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'
import { addPart, compressPart, emptySum, type GzipPart, gzipEnd, gzipHeader } from './shared-gzip.ts'

export class SharedText {
  readonly #text: string
  #plain: Buffer | undefined
  #gzip: GzipPart | undefined

  constructor(text: string) {
    this.#text = text
  }
  get isEmpty(): boolean {
    return this.#text === ''
  }
  get plain(): Buffer {
    this.#plain ??= Buffer.from(this.#text)
    return this.#plain
  }
  get gzip(): GzipPart {
    this.#gzip ??= compressPart(this.#text)
    return this.#gzip
  }
}

export interface EventStream {
  /** Resolves at once, or when a reader that is behind has caught up. @throws when the signal says so */
  send(text: SharedText, signal: AbortSignal): Promise<void> | undefined
  /** Says that the stream is alive, where nothing else does. */
  heartbeat(): void
  end(): void
}

const stillHere = new SharedText(': still here\n\n')

export function openEventStream(request: FastifyRequest, reply: FastifyReply): EventStream {
  const { raw } = reply
  const isGzip = new Negotiator(request).encoding(['gzip', 'identity']) === 'gzip'
  reply.hijack()
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    vary: 'accept-encoding',
    'x-accel-buffering': 'no',
    'x-request-id': request.id,
    ...(isGzip ? { 'content-encoding': 'gzip' } : {}),
  })
  // A client learns at once that it watches, even where nothing happens.
  if (isGzip) raw.write(gzipHeader)
  else raw.flushHeaders()
  let sum = emptySum
  const write = (text: SharedText): boolean => {
    if (!isGzip) return raw.write(text.plain)
    sum = addPart(sum, text.gzip)
    return raw.write(text.gzip.bytes)
  }
  return {
    send: (text, signal) => {
      if (text.isEmpty || write(text)) return undefined
      return once(raw, 'drain', { signal }).then(() => {})
    },
    heartbeat: () => {
      if (!raw.writableNeedDrain) write(stillHere)
    },
    end: () => {
      if (isGzip) raw.end(gzipEnd(sum))
      else raw.end()
    },
  }
}

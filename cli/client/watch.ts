import { backoffMs } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { apiErrorOf } from './api-error.ts'
import type { Instance } from './resources.ts'

export interface WatchOptions {
  readonly onChanged: (instance: Instance) => void
  readonly onDeleted: (gone: { readonly id: string; readonly uid: string }) => void
  readonly signal: AbortSignal
}

interface StreamOptions extends WatchOptions {
  readonly url: string
  readonly token: string
  readonly clock: Clock
  readonly random: Random
}

/** Reads server-sent events; a stream that is cut is opened again from the last event. @throws ApiError */
export async function watchStream(options: StreamOptions): Promise<void> {
  const { clock, random, signal } = options
  let lastId: string | undefined
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    const response = await open(options, lastId)
    if (response !== undefined && !response.ok) {
      const body: unknown = await response.json().catch(() => undefined)
      if (response.status !== 503 && response.status !== 429) throw apiErrorOf(response.status, body)
    } else if (response?.body) {
      for await (const event of readEvents(response.body, signal)) {
        attempt = 0
        lastId = event.event === 'forgotten' ? undefined : (event.id ?? lastId)
        if (event.event === 'changed') options.onChanged(JSON.parse(event.data) as Instance)
        if (event.event === 'deleted')
          options.onDeleted(JSON.parse(event.data) as { id: string; uid: string })
      }
    }
    // An interruption ends the sleep, and with it the loop.
    await clock.sleep(backoffMs({ attempt, minMs: 200, maxMs: 5000, random }), signal).catch(() => {})
  }
}

async function open(
  { url, token, signal }: StreamOptions,
  lastId: string | undefined,
): Promise<Response | undefined> {
  try {
    return await fetch(`${url}?watch=true`, {
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'text/event-stream, application/json',
        ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
      },
      signal,
    })
  } catch {
    return undefined
  }
}

interface StreamEvent {
  readonly event: string
  readonly data: string
  readonly id?: string
}

async function* readEvents(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent> {
  let text = ''
  try {
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      text += chunk
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const event = parseEvent(text.slice(0, end))
        text = text.slice(end + 2)
        if (event !== undefined) yield event
      }
    }
  } catch (thrown) {
    // Cut off: whoever reads goes on with another stream.
    if (!signal.aborted && !(thrown instanceof TypeError)) throw thrown
  }
}

function parseEvent(block: string): StreamEvent | undefined {
  const fields = new Map(
    block
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  )
  const [event, data, id] = [fields.get('event'), fields.get('data'), fields.get('id')]
  if (event === undefined || data === undefined) return undefined
  return { event, data, ...(id === undefined ? {} : { id }) }
}

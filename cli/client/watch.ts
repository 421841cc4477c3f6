import { backoffMs } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { apiErrorOf } from './api-error.ts'
import type { Instance } from './resources.ts'

export interface WatchOptions {
  readonly onChanged: (instance: Instance) => void
  readonly onDeleted: (gone: { readonly id: string; readonly uid: string }) => void
  /** It was one of those that the filter asks for, and has changed. */
  readonly onLeft: (gone: { readonly id: string; readonly uid: string }) => void
  readonly filter?: string
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
  const known = new Set<string>()
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    const response = await open(options, lastId)
    if (response !== undefined && !response.ok) {
      const body: unknown = await response.json().catch(() => undefined)
      if (response.status !== 503 && response.status !== 429) throw apiErrorOf(response.status, body)
    } else if (response?.body) {
      for await (const event of readEvents(response.body, signal)) {
        attempt = 0
        lastId = event.event === 'forgotten' ? undefined : (event.id ?? lastId)
        tell(event, known, options)
      }
    }
    // An interruption ends the sleep, and with it the loop.
    await clock.sleep(backoffMs({ attempt, minMs: 200, maxMs: 5000, random }), signal).catch(() => {})
  }
}

/** Of what was never told, nobody need hear that it has gone. */
function tell({ event, data }: StreamEvent, known: Set<string>, options: WatchOptions): void {
  if (event === 'changed') {
    const instance = JSON.parse(data) as Instance
    known.add(instance.uid)
    options.onChanged(instance)
  } else if (event === 'deleted' || event === 'left') {
    const gone = JSON.parse(data) as { id: string; uid: string }
    if (!known.delete(gone.uid)) return
    if (event === 'left') options.onLeft(gone)
    else options.onDeleted(gone)
  }
}

async function open(
  { url, token, filter, signal }: StreamOptions,
  lastId: string | undefined,
): Promise<Response | undefined> {
  try {
    const query = new URLSearchParams({ watch: 'true', ...(filter === undefined ? {} : { filter }) })
    return await fetch(`${url}?${query.toString()}`, {
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

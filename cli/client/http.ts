import { backoffMs } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { CliError, exitCodes } from '../exit-codes.ts'
import { apiErrorOf } from './api-error.ts'

export interface HttpOptions {
  readonly server: string
  readonly token: string
  readonly clock: Clock
  readonly random: Random
}

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export type Http = <Answer>(call: HttpCall) => Promise<Answer>

const timeoutMs = 30_000
const attempts = 4

/**
 * Calls the API. What the server could not do at this moment is repeated: every call made here is safe to repeat, a
 * change because it carries an idempotency key.
 */
export function createHttp({ server, token, clock, random }: HttpOptions): Http {
  return async <Answer>(call: HttpCall): Promise<Answer> => {
    for (let attempt = 0; ; attempt += 1) {
      const response = await send(call, { server, token })
      const isLast = attempt === attempts - 1
      if (response === undefined && isLast) throw unreachable(server)
      if (response !== undefined && ((response.status !== 503 && response.status !== 429) || isLast)) {
        return (await readAnswer(response)) as Answer
      }
      const askedMs = Number(response?.headers.get('retry-after') ?? 0) * 1000
      const waitMs = backoffMs({ attempt, minMs: 200, maxMs: 2000, random })
      await clock.sleep(Math.min(Math.max(waitMs, askedMs), 10_000))
    }
  }
}

/** undefined: no answer. */
async function send(
  { method, path, body, headers }: HttpCall,
  { server, token }: { server: string; token: string },
): Promise<Response | undefined> {
  try {
    return await fetch(`${server}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    })
  } catch {
    return undefined
  }
}

async function readAnswer(response: Response): Promise<unknown> {
  const text = await response.text()
  const body = parseJson(text)
  if (!response.ok) throw apiErrorOf(response.status, body)
  if (body === undefined && text !== '') {
    throw new CliError('The server answered something that is not JSON: is it a Berth server?', {
      exitCode: exitCodes.trouble,
    })
  }
  return body
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const unreachable = (server: string) =>
  new CliError(
    `The server ${server} does not answer. Start a local region with "npm run dev", or give another one with --server.`,
    { exitCode: exitCodes.trouble },
  )

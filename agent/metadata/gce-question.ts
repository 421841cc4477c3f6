// Requests as Google's metadata server understands them. Pure.
import type { Answer } from './answer.ts'
import type { Headers } from './document.ts'
import { gceHeaders, gceText } from './gce-text.ts'
import { type IdentityQuestion, identityPath, parseIdentityQuestion } from './identity-question.ts'

export interface GceQuestion {
  readonly kind: 'gce'
  /** Below computeMetadata/v1. */
  readonly path: readonly string[]
  readonly hasSlash: boolean
  readonly isRecursive: boolean
  readonly format: 'text' | 'json' | undefined
  readonly wait: Wait | undefined
}

/** For something else than what the asker has. */
export interface Wait {
  /** undefined: what there is when the request comes. */
  readonly lastEtag: string | undefined
  /** Then it is answered with what there is. */
  readonly timeoutMs: number
}

/** Software that looks for Google's server asks this, without its header. */
export const answerRoot = gceText(200, 'computeMetadata/\n')

const maximumWaitMs = 3_600_000

export function parseGceQuestion(
  target: string,
  headers: Headers,
): GceQuestion | IdentityQuestion | { readonly kind: 'refused'; readonly answer: Answer } {
  const refusal = refuseStranger(headers)
  if (refusal !== undefined) return { kind: 'refused', answer: refusal }
  const [path = '', query = ''] = target.replace(/#.*$/s, '').split(/\?(.*)/s)
  const names = path.split('/').filter((name) => name !== '')
  const [, version, ...below] = names
  const hasSlash = path.endsWith('/')
  if (version === undefined) {
    const answer = hasSlash ? gceText(200, 'v1/\n') : moved(`${path}/`)
    return { kind: 'refused', answer }
  }
  if (version !== 'v1') return { kind: 'refused', answer: gceText(404, 'There is v1 here, and no other.\n') }
  const flags = new URLSearchParams(query)
  if (below.join('/') === identityPath) return parseIdentityQuestion(flags)
  const format = flags.get('alt')?.toLowerCase()
  if (format !== undefined && format !== 'text' && format !== 'json') {
    return { kind: 'refused', answer: gceText(404, 'alt is text or json.\n') }
  }
  return {
    ...{ kind: 'gce', path: below.map(decoded), hasSlash, format },
    isRecursive: isTrue(flags.get('recursive')),
    wait: isTrue(flags.get('wait_for_change')) ? waitOf(flags) : undefined,
  }
}

/**
 * A page in a browser and a proxy that forwards for others can't set the one header, and set the others: nobody else's
 * request may come in through a guest. A name that resolves here is no reason to answer either.
 */
export function refuseStranger(headers: Headers): Answer | undefined {
  const isMeant = headers['metadata-flavor'] === 'Google' || headers['x-google-metadata-request'] === 'True'
  if (!isMeant) return gceText(403, 'Missing required header: Metadata-Flavor: Google\n')
  if (headers['x-forwarded-for'] !== undefined) return gceText(403, 'Forwarded requests are not answered.\n')
  const host = String(headers['host'] ?? '169.254.169.254').replace(/:\d+$/, '')
  const hosts = ['169.254.169.254', 'metadata.google.internal', 'metadata']
  return hosts.includes(host.toLowerCase()) ? undefined : gceText(403, 'This is another host.\n')
}

function waitOf(flags: URLSearchParams): Wait {
  const seconds = Number(flags.get('timeout_sec') ?? Number.NaN)
  return {
    lastEtag: flags.get('last_etag') ?? undefined,
    timeoutMs: seconds >= 0 ? Math.min(seconds * 1000, maximumWaitMs) : maximumWaitMs,
  }
}

const isTrue = (value: string | null) => value?.toLowerCase() === 'true'

export function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

export const moved = (location: string): Answer => ({
  ...gceText(301, ''),
  headers: { ...gceHeaders, location },
})

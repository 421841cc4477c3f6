// Requests for a signed identity, as Google's metadata server understands them. Pure.
import type { Answer } from './answer.ts'
import { gceText } from './gce-text.ts'

export interface IdentityQuestion {
  readonly kind: 'identity'
  /** For whom the token is. */
  readonly audience: string
  /** With what the instance is, and not only who. */
  readonly isFull: boolean
}

/** Below computeMetadata/v1. */
export const identityPath = 'instance/service-accounts/default/identity'

const longestAudience = 1024

export function parseIdentityQuestion(
  query: URLSearchParams,
): IdentityQuestion | { readonly kind: 'refused'; readonly answer: Answer } {
  const refuse = (sentence: string) => ({ kind: 'refused', answer: gceText(400, `${sentence}\n`) }) as const
  const [audience, ...others] = query.getAll('audience')
  if (audience === undefined || audience === '') {
    return refuse('audience is missing, for whom the token is: ?audience=https://service.example')
  }
  if (others.length > 0) return refuse('audience is given more than once: ask for a token for each.')
  if (audience.length > longestAudience || /\p{Cc}/u.test(audience)) {
    return refuse(`audience has 1 to ${longestAudience} characters, and no control characters.`)
  }
  const format = query.get('format') ?? 'standard'
  if (format !== 'standard' && format !== 'full') return refuse('format is standard or full.')
  return { kind: 'identity', audience, isFull: format === 'full' }
}

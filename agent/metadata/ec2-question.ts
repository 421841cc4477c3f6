// Requests as Amazon's metadata service understands them: a token first, then the tree. Pure.
import { type Answer, answerPlainly } from './answer.ts'
import type { Headers } from './document.ts'

export type Ec2Question =
  | { readonly kind: 'ec2-token'; readonly ttlSeconds: number }
  | {
      readonly kind: 'ec2'
      /** Below the version. */
      readonly path: readonly string[]
      readonly token: string | undefined
    }

const ttlHeader = 'x-aws-ec2-metadata-token-ttl-seconds'
const tokenHeader = 'x-aws-ec2-metadata-token'
const longestTtlSeconds = 21_600
export const tokenPath = '/latest/api/token'

/** Every version has the same tree. */
export const isEc2Path = (name: string): boolean =>
  /^(latest|1\.0|\d{4}-\d{2}-\d{2})\/(meta-data|user-data|dynamic)(\/|$)/.test(name)

export function parseEc2TokenQuestion(headers: Headers): Ec2Question | { kind: 'refused'; answer: Answer } {
  // Whoever forwards for others, as a proxy does, gets none for them.
  if (headers['x-forwarded-for'] !== undefined) {
    return {
      kind: 'refused',
      answer: answerPlainly(403, 'A token is not for requests that are forwarded.\n'),
    }
  }
  const text = headers[ttlHeader]
  const ttlSeconds = typeof text === 'string' && /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (ttlSeconds < 1 || ttlSeconds > longestTtlSeconds) {
    const answer = answerPlainly(400, `${ttlHeader} says for how long, 1 to ${longestTtlSeconds}.\n`)
    return { kind: 'refused', answer }
  }
  return { kind: 'ec2-token', ttlSeconds }
}

export function parseEc2Question(name: string, headers: Headers): Ec2Question {
  const token = headers[tokenHeader]
  const [, ...path] = name.split('/').filter((part) => part !== '')
  return { kind: 'ec2', path, token: typeof token === 'string' ? token : undefined }
}

export const answerToken = (token: string, ttlSeconds: number): Answer =>
  answerPlainly(200, token, { [ttlHeader]: String(ttlSeconds) })

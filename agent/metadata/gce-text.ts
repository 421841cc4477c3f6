import { type Answer, answerPlainly } from './answer.ts'

/** On every reply: it tells Google's software whom it talks to. */
export const gceHeaders = { 'metadata-flavor': 'Google', 'cache-control': 'no-store' }

export function gceText(status: Answer['status'], body: string): Answer {
  return answerPlainly(status, body, { ...gceHeaders, 'content-type': 'application/text' })
}

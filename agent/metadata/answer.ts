export interface Answer {
  readonly status: 200 | 301 | 400 | 401 | 403 | 404 | 405 | 413 | 429 | 503
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export const plain = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }

export const answerPlainly = (
  status: Answer['status'],
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Answer => ({ status, headers: { ...plain, ...headers }, body })

/** 503 with a moment to wait is what cloud-init repeats without counting; a guest's document may be on its way. */
export const notReady = (body: string): Answer => answerPlainly(503, body, { 'retry-after': '1' })

export const tooFast: Answer = answerPlainly(429, 'Too many requests: wait a second.\n', {
  'retry-after': '1',
})

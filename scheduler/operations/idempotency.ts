import type { ProjectId } from '../../proto/ids.ts'
import { type Refusal, refuse } from '../errors.ts'
import type { IdempotencyKey, IdempotencyOutcome } from '../store/store.ts'
import type { Accepted } from './accepted.ts'
import { done, type Outcome } from './outcome.ts'
import { hashRequest } from './request-hash.ts'

export interface KeyedRequest {
  readonly project: ProjectId
  readonly principal: string
  readonly key: string
  readonly method: string
  /** Without what differs from repeat to repeat. */
  readonly path: string
  readonly body: unknown
}

export const idempotencyKeyOf = ({ project, principal, key, ...request }: KeyedRequest): IdempotencyKey => ({
  ...{ project, principal, key },
  requestHash: hashRequest(request),
})

/** A repeated request is answered before anything is checked: what it asks for may have changed meanwhile. */
export function answerRepeat(key: string, known: IdempotencyOutcome): Outcome<Accepted> | undefined {
  switch (known.kind) {
    case 'unused':
      return undefined
    case 'replay':
      return done({ instance: known.instance, operationId: known.operationId })
    case 'other-request':
      return refuse('IDEMPOTENCY_KEY_REUSED', { key })
    case 'gone':
      return refuseSpent(key, known.uid)
  }
}

const refuseSpent = (key: string, uid: string): Refusal => refuse('IDEMPOTENCY_KEY_SPENT', { key, uid })

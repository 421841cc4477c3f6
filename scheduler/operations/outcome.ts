import type { Refusal } from '../errors.ts'

/** What became of a user's request. */
export type Outcome<Value> = { readonly kind: 'done'; readonly value: Value } | Refusal

export const done = <Value>(value: Value): Outcome<Value> => ({ kind: 'done', value })

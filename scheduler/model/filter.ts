// What a list is asked for, beyond its project: which instances, in which order, from where on.
import type { InstanceUid } from '../../proto/ids.ts'

export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>='

export type Filter =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Filter[] }
  | { readonly kind: 'not'; readonly part: Filter }
  | { readonly kind: 'compare'; readonly field: FilterField; readonly by: Comparison; readonly value: string }
  /** The label is there, whatever its value. */
  | { readonly kind: 'has'; readonly field: FilterField }

/** `labels.team`, `createdAt`, …: what can be compared. */
export type FilterField =
  | { readonly kind: 'text'; readonly name: 'id' | 'status' | 'type' | 'hostname' | 'displayName' }
  | { readonly kind: 'label'; readonly key: string }
  | { readonly kind: 'time'; readonly name: 'createdAt' | 'updatedAt' }

export const orderFields = ['createdAt', 'updatedAt', 'id'] as const

export interface Order {
  readonly field: (typeof orderFields)[number]
  readonly isDescending: boolean
}

/** The last item of the page before: where it stood in the order. */
export interface PageStart {
  readonly value: string | number
  readonly uid: InstanceUid
}

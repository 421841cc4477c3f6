// What a guest has put: a list in two slots, files that are written in turn, so that a write that breaks off leaves the other
// whole. Both ends read with this; whoever reads takes nothing for granted. Pure.
import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'

const name = Type.String({ pattern: '^[A-Za-z0-9_.-]{1,128}$' })
const guestAttribute = Type.Object({ namespace: name, key: name, value: Type.String() })
const slotSchema = Type.Object({
  sequence: Type.Integer({ minimum: 1 }),
  attributes: Type.Array(guestAttribute, { maxItems: 256 }),
})

export type GuestAttribute = Static<typeof guestAttribute>

/** A guest that writes without end fills nothing. */
export const attributeLimits = { valueBytes: 32 * 1024, count: 256, slotBytes: 256 * 1024 }

export interface Slots {
  /** 0 where nothing was ever written. */
  readonly sequence: number
  readonly attributes: readonly GuestAttribute[]
  /** The one to write next. */
  readonly free: 0 | 1
}

/** By the contents of the two; undefined for one that is not there or too long. */
export function readSlots(contents: readonly [string | undefined, string | undefined]): Slots {
  const [first, second] = contents.map(parseSlot)
  if (first === undefined && second === undefined) return { sequence: 0, attributes: [], free: 0 }
  if (first === undefined || (second !== undefined && second.sequence > first.sequence)) {
    return { sequence: 0, attributes: [], ...second, free: 0 }
  }
  return { ...first, free: 1 }
}

function parseSlot(content: string | undefined): Static<typeof slotSchema> | undefined {
  // Empty until it is first written.
  if (content === undefined || content === '') return undefined
  try {
    const value: unknown = JSON.parse(content)
    return Value.Check(slotSchema, value) ? value : undefined
  } catch {
    // A write has broken off.
    return undefined
  }
}

export type Putting =
  | { readonly kind: 'content'; readonly content: string }
  | { readonly kind: 'refused'; readonly sentence: string }

/** The free slot's next content, with the attribute in place of one of its name, or without it. */
export function putAttribute(
  { sequence, attributes }: Slots,
  { namespace, key, value }: Omit<GuestAttribute, 'value'> & { readonly value: string | undefined },
): Putting {
  const others = attributes.filter((one) => one.namespace !== namespace || one.key !== key)
  const next = value === undefined ? others : [...others, { namespace, key, value }]
  if (next.length > attributeLimits.count) {
    const sentence = `There are ${attributeLimits.count} guest attributes, the most that are possible: delete one.`
    return { kind: 'refused', sentence }
  }
  const content = JSON.stringify({ sequence: sequence + 1, attributes: next })
  if (new TextEncoder().encode(content).length > attributeLimits.slotBytes) {
    const sentence = `All guest attributes together have at most ${attributeLimits.slotBytes} bytes as JSON: delete some.`
    return { kind: 'refused', sentence }
  }
  return { kind: 'content', content }
}

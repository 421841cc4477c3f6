// Values that a JSON schema allows, and values that are one step away from that.
import fc from 'fast-check'

export interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
}

type Resolve = (ref: string) => Schema

/** Patterns are left out: a text that breaks one is the server's to refuse. */
export function fromSchema(schema: Schema, resolve: Resolve): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined) return fromSchema(resolve(schema.$ref), resolve)
  if (schema.enum) return fc.constantFrom(...schema.enum)
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => fromSchema(one, resolve)))
  const types = [schema.type ?? 'object'].flat()
  return fc.oneof(...types.map((type) => ofType(type, schema, resolve)))
}

function ofType(type: string, schema: Schema, resolve: Resolve): fc.Arbitrary<unknown> {
  switch (type) {
    case 'string':
      return fc.oneof(
        fc.string({ minLength: schema.minLength ?? 0, maxLength: Math.min(schema.maxLength ?? 40, 40) }),
        fc.string({ unit: 'grapheme', maxLength: 20 }),
        fc.constantFrom('g1-small', 'default', 'a', 'nvidia-h100-80gb', '10.20.0.9'),
      )
    case 'integer':
    case 'number':
      return fc.oneof(
        fc.integer({ min: schema.minimum ?? -10, max: schema.maximum ?? 1_000_000 }),
        fc.constantFrom(schema.minimum ?? 0, schema.maximum ?? 1),
      )
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array':
      return fc.array(fromSchema(schema.items ?? {}, resolve), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 3, 3),
      })
    default: {
      const properties = Object.entries(schema.properties ?? {})
      const known = fc.record(
        Object.fromEntries(properties.map(([name, one]) => [name, fromSchema(one, resolve)])),
        { requiredKeys: [...(schema.required ?? [])], noNullPrototype: true },
      )
      const { additionalProperties } = schema
      if (typeof additionalProperties !== 'object' || properties.length > 0) return known
      return fc.dictionary(fc.string({ maxLength: 10 }), fromSchema(additionalProperties, resolve), {
        maxKeys: 3,
        noNullPrototype: true,
      })
    }
  }
}

const odd = fc.constantFrom<unknown>(
  ...[null, 0, -1, 1e308, 0.5, 2 ** 53, '', ' ', '\u0000', '\ud800', '𝕏'.repeat(50), 'x'.repeat(5000), true],
  ...[
    [],
    {},
    [[[[[[]]]]]],
    { a: { b: { c: {} } } },
    '../../etc/passwd',
    "' OR 1=1 --",
    '{{7*7}}',
    '__proto__',
  ],
)

/** The value with one place of it replaced, removed or added to. */
export function oneStepAway(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc
    .tuple(value, fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }), odd, fc.nat(2))
    .map(([original, path, replacement, how]) => {
      const copy: unknown = structuredClone(original)
      let parent = copy
      for (const step of path.slice(0, -1)) {
        const keys = typeof parent === 'object' && parent !== null ? Object.keys(parent) : []
        const key = keys[step % Math.max(1, keys.length)]
        const child = key === undefined ? undefined : (parent as Record<string, unknown>)[key]
        if (typeof child !== 'object' || child === null) break
        parent = child
      }
      if (typeof parent !== 'object' || parent === null) return replacement
      const keys = Object.keys(parent)
      const key = keys[(path.at(-1) ?? 0) % Math.max(1, keys.length)]
      if (key === undefined || how === 2) Reflect.set(parent, 'unheardOf', replacement)
      else if (how === 1) Reflect.deleteProperty(parent, key)
      else Reflect.set(parent, key, replacement)
      return copy
    })
}

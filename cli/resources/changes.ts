import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { type Client, createClient, type Resource } from '../client/client.ts'
import { type ContextFlags, resolveContext } from '../context/context.ts'
import { usageError } from '../exit-codes.ts'
import { forEach } from '../output/each.ts'
import { print, rowOf } from './actions.ts'
import type { Field } from './fields.ts'
import { type Kind, parentOf, pathIn } from './kinds.ts'

type Flags = ContextFlags & { readonly output: string } & Readonly<Record<string, unknown>>

const clientOf = (flags: Flags): Client =>
  createClient({ context: resolveContext(flags), clock: systemClock, random: systemRandom })

export async function createAction(kind: Kind, id: string | undefined, flags: Flags): Promise<void> {
  const body = { ...(id === undefined ? {} : { id }), ...bodyOf(kind.changes?.create ?? [], flags) }
  const made = await clientOf(flags).changeCollection({
    ...{ method: 'POST', path: pathOf(kind, flags), body, idempotencyKey: systemRandom.uuid() },
  })
  await show(kind, made, flags)
}

export async function updateAction(kind: Kind, id: string, flags: Flags): Promise<void> {
  const body = bodyOf(kind.changes?.update ?? [], flags)
  if (Object.keys(body).length === 0) {
    const flagsThere = (kind.changes?.update ?? []).map(({ flag }) => flag.split(' ', 1)[0]).join(', ')
    throw usageError(`Nothing is to be changed: give one of ${flagsThere}.`)
  }
  const path = `${pathOf(kind, flags)}/${encodeURIComponent(id)}`
  const idempotencyKey = systemRandom.uuid()
  const changed = await clientOf(flags).changeCollection({ method: 'PATCH', path, body, idempotencyKey })
  await show(kind, changed, flags)
}

export async function deleteAction(kind: Kind, ids: readonly string[], flags: Flags): Promise<void> {
  const client = clientOf(flags)
  await forEach(ids, async (id) => {
    const path = `${pathOf(kind, flags)}/${encodeURIComponent(id)}`
    const idempotencyKey = systemRandom.uuid()
    const left = await client.changeCollection({ method: 'DELETE', path, idempotencyKey })
    const isLeft = (left as (Resource & { status?: string }) | undefined)?.status === 'DELETING'
    process.stdout.write(`${id} is ${isLeft ? 'being ' : ''}deleted\n`)
  })
}

/** vcpus=64, or vcpus=none for as much as there is. */
export async function setQuotasAction(limits: readonly string[], flags: Flags): Promise<void> {
  const parsed = limits.map((text): [string, number | null] => {
    const [, metric, value] = /^([^=]+)=(\d{1,15}|none)$/.exec(text) ?? []
    if (metric === undefined) throw usageError(`"${text}" is no limit; write vcpus=64 or vcpus=none.`)
    return [metric, value === 'none' ? null : Number(value)]
  })
  const body = { limits: Object.fromEntries(parsed) }
  await clientOf(flags).changeCollection({ method: 'PUT', path: 'project/quotas', body })
  process.stdout.write(`${limits.join(' ')} of the project\n`)
}

const pathOf = (kind: Kind, flags: Flags): string =>
  pathIn(kind, String(flags[parentOf(kind)?.flag ?? ''] ?? ''))

const show = (kind: Kind, resource: Resource, flags: Flags): Promise<void> =>
  print(resource, flags, rowOf(kind))

/** What was said, where it belongs; nothing of what was not. */
function bodyOf(fields: readonly Field[], flags: Flags): Record<string, unknown> {
  const body: Record<string, unknown> = {}
  for (const { flag, key, as } of fields) {
    const given = flags[attributeOf(flag)]
    if (given === undefined) continue
    const text = String(given)
    const [outer = '', inner] = key.split('.')
    const value = text === '' ? null : parseValue(flag, text, as)
    body[outer] = inner === undefined ? value : { ...(body[outer] as object | undefined), [inner]: value }
  }
  return body
}

/** --memory-mib <n> is memoryMib among the flags. */
const attributeOf = (flag: string): string =>
  (flag.split(' ', 1)[0] ?? '').slice(2).replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())

function parseValue(flag: string, text: string, as: Field['as']): unknown {
  if (as === 'list') return text.split(',').map((part) => part.trim())
  if (as === 'switch') return true
  return as === 'integer' || as === 'number' ? parseNumber(flag, text, as) : text
}

const numbers = {
  integer: { pattern: /^\d{1,15}$/, words: 'a whole number' },
  number: { pattern: /^\d{1,9}(\.\d{1,6})?$/, words: 'a number such as 1.5' },
} as const

function parseNumber(flag: string, text: string, as: keyof typeof numbers): number {
  const { pattern, words } = numbers[as]
  if (pattern.test(text)) return Number(text)
  throw usageError(`${flag.split(' ', 1)[0] ?? ''} takes ${words}, not "${text}".`)
}

import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { type Client, createClient, type Resource } from '../client/client.ts'
import { shortName } from '../client/resources.ts'
import { type ContextFlags, resolveContext } from '../context/context.ts'
import { CliError, exitCodes } from '../exit-codes.ts'
import { parseOutputFormat, type Rendering, renderOutput } from '../output/format.ts'
import { type Kind, type Parent, parentOf, pathIn } from './kinds.ts'

type Flags = ContextFlags & {
  readonly output: string
  readonly zone?: string
  readonly network?: string
  readonly limit?: number
}

const clientOf = (flags: Flags) =>
  createClient({ context: resolveContext(flags), clock: systemClock, random: systemRandom })

export async function listAction(kind: Kind, flags: Flags): Promise<void> {
  const found = await readAll(clientOf(flags), kind, flags)
  await print(found.slice(0, flags.limit), flags, tableOf(kind))
}

export async function getAction(kind: Kind, id: string, flags: Flags): Promise<void> {
  const client = clientOf(flags)
  const found = kind.isReadAsWhole
    ? (await readAll(client, kind, flags)).find((one) => one.id === id)
    : await readOne(client, kind, id, flags)
  if (found === undefined) {
    throw new CliError(`There is no ${id} among the ${kind.words}.`, { exitCode: exitCodes.notFound })
  }
  await print(found, flags, rowOf(kind))
}

/** What belongs to a zone or a network is in the one that was named, or in the first that has it. */
async function readOne(client: Client, kind: Kind, id: string, flags: Flags): Promise<Resource | undefined> {
  const parent = parentOf(kind)
  if (parent === undefined) return client.readInCollection(kind.path, id)
  for (const holder of await holdersOf(client, parent, flags)) {
    const found = await client.readInCollection(pathIn(kind, holder), id)
    if (found !== undefined) return { ...found, [parent.flag]: holder }
  }
  return undefined
}

/** What belongs to a zone or a network is asked of each. */
async function readAll(client: Client, kind: Kind, flags: Flags): Promise<readonly Resource[]> {
  const { path, plural } = kind
  const parent = parentOf(kind)
  const most = flags.limit === undefined ? {} : { limit: flags.limit }
  if (parent === undefined) return client.listCollection(path, plural, most)
  const lists = await Promise.all(
    (await holdersOf(client, parent, flags)).map(async (holder) => {
      const items = await client.listCollection(pathIn(kind, holder), plural, most)
      return items.map((item) => ({ ...item, [parent.flag]: holder }))
    }),
  )
  return lists.flat()
}

async function holdersOf(client: Client, { flag, path, plural }: Parent, flags: Flags) {
  const named = flags[flag]
  if (named !== undefined) return [named]
  return (await client.listCollection(path, plural)).map(({ id }) => id)
}

export async function print<Value>(value: Value, flags: Flags, rendering: Rendering<Value>): Promise<void> {
  const text = await renderOutput(value, parseOutputFormat(flags.output), rendering)
  if (text !== '') process.stdout.write(`${text}\n`)
}

/** Of a single one. */
export const rowOf = (kind: Kind): Rendering<Resource> => ({
  table: (resource) => tableOf(kind).table([resource]),
  names: ({ id }) => [id],
})

export const tableOf = ({ columns, words }: Kind): Rendering<readonly Resource[]> => ({
  table: async (resources) => {
    if (resources.length === 0) return `No ${words}.`
    const { renderTable } = await import('../output/table.ts')
    return renderTable(
      columns.map(([heading]) => heading),
      resources.map((resource) => columns.map(([, path]) => renderValue(valueAt(resource, path)))),
    )
  },
  names: (resources) => resources.map(({ id }) => id),
})

const valueAt = (value: unknown, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>(
      (inside, key) =>
        typeof inside === 'object' && inside !== null ? (inside as Record<string, unknown>)[key] : undefined,
      value,
    )

/** Short enough for a cell: references by their last part, counters as used/capacity, devices by how many are taken. */
function renderValue(value: unknown): string {
  if (value === undefined || value === null) return '-'
  if (typeof value === 'string') return value.startsWith('/v1/') ? shortName(value) : value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return renderList(value as readonly unknown[])
  const { used, capacity, type, count } = value as Record<string, unknown>
  if (typeof used === 'number' && typeof capacity === 'number') return `${used}/${capacity}`
  if (typeof type === 'string') return `${String(count)}x${shortName(type)}`
  return JSON.stringify(value)
}

function renderList(values: readonly unknown[]): string {
  const gpus = values.filter(
    (value): value is { claimedBy?: string } =>
      typeof value === 'object' && value !== null && 'acceleratorType' in value,
  )
  if (gpus.length > 0)
    return `${gpus.filter(({ claimedBy }) => claimedBy !== undefined).length}/${gpus.length}`
  const isDevices = values.every(
    (value) => typeof value === 'object' && value !== null && 'numaNode' in value,
  )
  return isDevices ? '-' : values.map(renderValue).join(' ') || '-'
}

// What `berth capacity …` does once its flags are read: asks the API, prints the answer.
import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { type Client, createClient } from '../client/client.ts'
import { type ContextFlags, resolveContext } from '../context/context.ts'
import { exitCodes, usageError } from '../exit-codes.ts'
import { parseGpu } from '../instances/create-request.ts'
import { parseOutputFormat, renderOutput } from '../output/format.ts'
import { adviceView, capacityTable } from './capacity-view.ts'

type Flags = ContextFlags & { readonly output: string }

const clientOf = (flags: ContextFlags) =>
  createClient({ context: resolveContext(flags), clock: systemClock, random: systemRandom })

export async function showAction(flags: Flags): Promise<void> {
  const format = parseOutputFormat(flags.output)
  const { capacity } = await clientOf(flags).getCapacity()
  process.stdout.write(`${await renderOutput(capacity, format, capacityTable)}\n`)
}

export async function adviseAction(
  flags: Flags & { readonly gpu: string; readonly zone?: string },
): Promise<void> {
  const format = parseOutputFormat(flags.output)
  const { type, count } = parseGpu(flags.gpu)
  const client = clientOf(flags)
  const zone = flags.zone ?? (await onlyZone(client))
  const advice = await client.adviseCapacity({ zone, gpuType: type, gpus: String(count) })
  process.stdout.write(`${await renderOutput(advice, format, adviceView)}\n`)
  if (advice.verdict === 'NOTHING_HELPS') process.exitCode = exitCodes.conflict
}

async function onlyZone(client: Client): Promise<string> {
  const [zone, another] = await client.listCollection('zones', 'zones', { limit: 2 })
  if (zone === undefined || another !== undefined)
    throw usageError('The region has several zones: add --zone.')
  return zone.id
}

// What `berth capacity …` does once its flags are read: asks the API, prints the answer.
import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { createClient } from '../client/client.ts'
import { type ContextFlags, resolveContext } from '../context/context.ts'
import { parseOutputFormat, renderOutput } from '../output/format.ts'
import { capacityTable } from './capacity-view.ts'

type Flags = ContextFlags & { readonly output: string }

const clientOf = (flags: ContextFlags) =>
  createClient({ context: resolveContext(flags), clock: systemClock, random: systemRandom })

export async function showAction(flags: Flags): Promise<void> {
  const format = parseOutputFormat(flags.output)
  const { capacity } = await clientOf(flags).getCapacity()
  process.stdout.write(`${await renderOutput(capacity, format, capacityTable)}\n`)
}

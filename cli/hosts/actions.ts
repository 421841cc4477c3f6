import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { createClient } from '../client/client.ts'
import { type ContextFlags, resolveContext } from '../context/context.ts'

export async function hostAction(
  verb: 'cordon' | 'uncordon' | 'drain' | 'fence',
  ids: readonly string[],
  flags: ContextFlags & { readonly confirm?: string },
): Promise<void> {
  const client = createClient({ context: resolveContext(flags), clock: systemClock, random: systemRandom })
  const body = flags.confirm === undefined ? {} : { body: { confirm: flags.confirm } }
  for (const id of ids) {
    const host = await client.changeHost({ id, verb, ...body })
    process.stdout.write(`${host.id} is ${host.state}\n`)
  }
}

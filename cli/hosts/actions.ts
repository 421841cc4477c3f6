import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { createClient } from '../client/client.ts'
import { type ContextFlags, resolveContext } from '../context/context.ts'
import { forEach } from '../output/each.ts'

export async function hostAction(
  verb: 'cordon' | 'uncordon' | 'drain' | 'fence',
  ids: readonly string[],
  flags: ContextFlags & { readonly confirm?: string; readonly notice?: number },
): Promise<void> {
  const client = createClient({ context: resolveContext(flags), clock: systemClock, random: systemRandom })
  const { confirm, notice } = flags
  const body =
    confirm !== undefined
      ? { body: { confirm } }
      : notice !== undefined
        ? { body: { noticeSeconds: notice } }
        : {}
  await forEach(ids, async (id) => {
    const host = await client.changeHost({ id, verb, ...body })
    process.stdout.write(`${host.id} is ${host.state}\n`)
  })
}

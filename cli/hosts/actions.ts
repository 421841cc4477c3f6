import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { createClient } from '../client/client.ts'
import { type ContextFlags, resolveContext } from '../context/context.ts'
import { usageError } from '../exit-codes.ts'
import { patchLabels } from '../instances/update-patch.ts'
import { forEach } from '../output/each.ts'

const clientOf = (flags: ContextFlags) =>
  createClient({ context: resolveContext(flags), clock: systemClock, random: systemRandom })

export async function hostAction(
  verb: 'cordon' | 'uncordon' | 'drain' | 'fence',
  ids: readonly string[],
  flags: ContextFlags & { readonly confirm?: string; readonly notice?: number },
): Promise<void> {
  const client = clientOf(flags)
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

export async function labelAction(
  ids: readonly string[],
  flags: ContextFlags & { readonly label?: readonly string[]; readonly removeLabel?: readonly string[] },
): Promise<void> {
  const patch = patchLabels(flags)
  if (Object.keys(patch).length === 0) throw usageError('Nothing to change: give --label or --remove-label.')
  const client = clientOf(flags)
  await forEach(ids, async (id) => {
    const { id: name, labels } = await client.updateHost({ id, patch })
    const written = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
    process.stdout.write(`${name}: ${written.join(' ') || 'no labels'}\n`)
  })
}

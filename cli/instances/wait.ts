import { backoffMs } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { ApiError } from '../client/api-error.ts'
import type { Client } from '../client/client.ts'
import type { Instance } from '../client/resources.ts'
import { CliError, exitCodes } from '../exit-codes.ts'

export interface WaitOptions {
  readonly client: Pick<Client, 'getInstance'>
  readonly clock: Clock
  readonly random: Random
  readonly timeoutMs: number
  /** Called for the first state and for each change of it. */
  readonly onChange: (instance: Instance) => void
}

/** Until it runs, or has come to rest otherwise; an instance that failed is an error with its own words. */
export async function waitUntilStarted(instance: Instance, options: WaitOptions): Promise<Instance> {
  const last = await poll(instance.uid, options, ({ lifecycle }) =>
    ['RUNNING', 'STOPPED', 'SUSPENDED', 'FAILED'].includes(lifecycle.status),
  )
  if (last === undefined) {
    throw new CliError(`Instance ${instance.id} was deleted meanwhile.`, { exitCode: exitCodes.notFound })
  }
  if (last.lifecycle.status === 'FAILED') {
    throw new CliError(`Instance ${last.id} failed: ${last.lifecycle.statusMessage}`, {
      exitCode: exitCodes.instanceFailed,
      lines: [
        `What happened: berth instances events ${last.id}`,
        `Remove it: berth instances delete ${last.id}`,
      ],
    })
  }
  return last
}

/** Until the operation that a verb has begun is over; one that ended badly is an error with its own words. */
export async function waitForOperation(
  instance: Instance,
  options: WaitOptions & { readonly client: Pick<Client, 'getInstance' | 'getOperation'> },
): Promise<Instance> {
  const { operationId } = instance.lifecycle
  if (operationId === undefined) return instance
  const last = await poll(
    instance.uid,
    options,
    async () => (await options.client.getOperation(operationId)).status === 'DONE',
  )
  const { error } = await options.client.getOperation(operationId)
  if (error !== undefined) {
    throw new CliError(`Instance ${instance.id}: ${error.message}`, {
      exitCode: exitCodes.instanceFailed,
      lines: [`What happened: berth instances events ${instance.id}`],
    })
  }
  return last ?? instance
}

export async function waitUntilGone(uid: string, options: WaitOptions): Promise<void> {
  await poll(uid, options, () => false)
}

/** undefined: it is gone. Asks by uid, since another instance may take the name. */
async function poll(
  uid: string,
  { client, clock, random, timeoutMs, onChange }: WaitOptions,
  isDone: (instance: Instance) => boolean | Promise<boolean>,
): Promise<Instance | undefined> {
  const startedMs = clock.monotonicMs()
  let shown = ''
  for (let attempt = 0; ; attempt += 1) {
    const instance = await readUnlessGone(client, uid)
    if (instance === undefined) return undefined
    const { status, statusMessage } = instance.lifecycle
    const state = `${status} ${statusMessage}`
    if (state !== shown) {
      onChange(instance)
      shown = state
      attempt = 0
    }
    if (await isDone(instance)) return client.getInstance(uid)
    if (clock.monotonicMs() - startedMs > timeoutMs) {
      throw new CliError(
        `Instance ${instance.id} is still ${status} after ${Math.round(timeoutMs / 1000)} s: ${statusMessage}`,
        { exitCode: exitCodes.trouble, lines: [`Look again: berth instances get ${instance.id}`] },
      )
    }
    await clock.sleep(backoffMs({ attempt, minMs: 100, maxMs: 1500, random }))
  }
}

async function readUnlessGone(
  client: Pick<Client, 'getInstance'>,
  uid: string,
): Promise<Instance | undefined> {
  try {
    return await client.getInstance(uid)
  } catch (thrown) {
    if (thrown instanceof ApiError && thrown.status === 404) return undefined
    throw thrown
  }
}

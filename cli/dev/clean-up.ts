import { rmSync } from 'node:fs'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { ApiError } from '../client/api-error.ts'
import type { Client } from '../client/client.ts'
import { waitUntilGone } from '../instances/wait.ts'
import { stopDaemons } from './daemon.ts'
import type { DataDirectory } from './data-directory.ts'
import { endMetadataKeeper } from './metadata-keeper.ts'

export interface CleanUpOptions {
  readonly clock: Clock
  readonly random: Random
  readonly say: (line: string) => void
}

/** Deletes every instance, and returns once their hosts have proved that nothing is left of them. */
export async function deleteAllInstances(
  client: Client,
  { clock, random, say }: CleanUpOptions,
): Promise<void> {
  const instances = await client.listInstances()
  for (const { id, uid } of instances) {
    say(`Deleting instance ${id}`)
    await deleteUnlessGone(client, uid)
  }
  for (const { uid } of instances) {
    await waitUntilGone(uid, { client, clock, random, timeoutMs: 120_000, onChange: () => {} })
  }
}

async function deleteUnlessGone(client: Client, uid: string): Promise<void> {
  try {
    await client.deleteInstance(uid)
  } catch (thrown) {
    if (!(thrown instanceof ApiError && thrown.status === 404)) throw thrown
  }
}

/** Ends the daemons, those that outlive the agent too, and removes their state. Guests must be gone before. */
export async function removeRegion(directory: DataDirectory, clock: Clock): Promise<void> {
  await stopDaemons(directory, clock)
  await endMetadataKeeper(directory)
  rmSync(directory.path, { recursive: true, force: true })
  rmSync(directory.agentRun, { recursive: true, force: true })
}

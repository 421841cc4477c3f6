import { backoffMs } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { ApiError } from '../client/api-error.ts'
import type { Client } from '../client/client.ts'
import type { SerialOutput } from '../client/resources.ts'

export interface FollowOptions {
  readonly client: Pick<Client, 'readSerial'>
  readonly clock: Clock
  readonly random: Random
  readonly write: (text: string) => void
  /** For what is not the guest's own text. */
  readonly note: (line: string) => void
  readonly signal?: AbortSignal
}

/** Writes what is there, then what comes, until the instance is gone or the signal comes. */
export async function followSerial(
  { id, start }: { id: string; start: string },
  { client, clock, random, write, note, signal }: FollowOptions,
): Promise<void> {
  let next = start
  for (let attempt = 0; !signal?.aborted; attempt += 1) {
    const output = await readIfAvailable(client, { id, start: next })
    if (output !== undefined) {
      if (BigInt(next) >= 0n && BigInt(output.start) > BigInt(next)) {
        note(`${BigInt(output.start) - BigInt(next)} bytes are lost: only the last MiB is kept.`)
      }
      if (output.contents !== '') {
        write(output.contents)
        attempt = 0
      }
      next = output.next
    }
    await clock.sleep(backoffMs({ attempt, minMs: 200, maxMs: 2000, random }))
  }
}

/** undefined: not at this moment. A guest has no serial output before its start. */
async function readIfAvailable(
  client: Pick<Client, 'readSerial'>,
  request: { id: string; start: string },
): Promise<SerialOutput | undefined> {
  try {
    return await client.readSerial(request)
  } catch (thrown) {
    if (thrown instanceof ApiError && thrown.status === 503) return undefined
    throw thrown
  }
}

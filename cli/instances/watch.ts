import type { Clock } from '../../lib/clock.ts'
import { formatTimestamp } from '../../lib/clock.ts'
import type { Client } from '../client/client.ts'
import type { OutputFormat } from '../output/format.ts'

/** A line for each change, until Ctrl-C: text for people, one JSON object a line for programs. */
export async function watchInstances(
  client: Pick<Client, 'watchInstances'>,
  { format, clock, filter }: { format: OutputFormat; clock: Clock; filter?: string },
): Promise<void> {
  const interruption = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interruption.abort())
  const write = (fields: readonly string[], value: object) => {
    const line = format === 'table' || format === 'name' ? fields.join('  ') : JSON.stringify(value)
    process.stdout.write(`${line}\n`)
  }
  const now = () => formatTimestamp(clock.nowMs())
  await client.watchInstances({
    signal: interruption.signal,
    ...(filter === undefined ? {} : { filter }),
    onChanged: (instance) => {
      const { id, lifecycle } = instance
      const fields = [now(), id.padEnd(24), lifecycle.status.padEnd(14), lifecycle.statusMessage]
      write(format === 'name' ? [id] : fields, instance)
    },
    onLeft: ({ id, uid }) => {
      write(format === 'name' ? [id] : [now(), id.padEnd(24), 'matches no longer'], { id, uid, left: true })
    },
    onDeleted: ({ id, uid }) => {
      write(format === 'name' ? [id] : [now(), id.padEnd(24), 'gone'], { id, uid, deleted: true })
    },
  })
}

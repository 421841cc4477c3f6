import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Store } from '../store/store.ts'
import type { Sessions } from './sessions.ts'

/**
 * Finds what nobody was nudged about, with one question for all hosts: most have nothing in their outboxes. The result
 * stops it.
 */
export function pollOutboxes({
  store,
  sessions,
  clock,
  log,
  intervalMs,
}: {
  store: Pick<Store, 'listHostsWithCommands'>
  sessions: Pick<Sessions, 'find'>
  clock: Pick<Clock, 'every'>
  log: Logger
  intervalMs: number
}): () => void {
  let isLooking = false

  async function look(): Promise<void> {
    isLooking = true
    try {
      for (const hostId of await store.listHostsWithCommands()) sessions.find(hostId)?.nudge()
    } catch (err) {
      log.warn({ err }, 'Outboxes could not be looked at; they are looked at again.')
    } finally {
      isLooking = false
    }
  }

  return clock.every(intervalMs, () => {
    if (!isLooking) void look()
  })
}

import type { Clock } from '../../lib/clock.ts'
import type { HostId } from '../../proto/ids.ts'
import type { Store } from '../store/store.ts'

/** Of one session, in rising order. */
export interface Acknowledgements {
  /** Resolves once everything up to the sequence is noted in the store. Those that come during a write share the next. */
  through(sequence: number): Promise<void>
  /** Resolves once nothing is being written any more. */
  settled(): Promise<void>
}

/** Acknowledgements of that long, of all sessions, are noted together: until then the host would be told again. */
const gatherMs = 20

/** Resolves for everybody who waits at once, so that what they write shares a flush. */
export function gatherFor({ clock }: { clock: Pick<Clock, 'sleep'> }): () => Promise<void> {
  let gathering: Promise<void> | undefined
  return () => {
    gathering ??= clock.sleep(gatherMs).then(() => {
      gathering = undefined
    })
    return gathering
  }
}

export function noteAcknowledgements({
  hostId,
  store,
  gathered,
}: {
  hostId: HostId
  store: Pick<Store, 'acknowledgeCommands'>
  gathered: () => Promise<void>
}): Acknowledgements {
  let wanted = 0
  let written = 0
  let writing: Promise<void> | undefined

  async function write(): Promise<void> {
    await gathered()
    const throughSequence = wanted
    await store.acknowledgeCommands({ hostId, throughSequence })
    written = throughSequence
  }

  return {
    through: async (sequence) => {
      wanted = Math.max(wanted, sequence)
      while (written < sequence) {
        writing ??= write().finally(() => {
          writing = undefined
        })
        await writing
      }
    },
    settled: async () => {
      await writing?.catch(() => {})
    },
  }
}

import type { HostId } from '../../proto/ids.ts'
import type { Store } from '../store/store.ts'

/** Of one session, in rising order. */
export interface Acknowledgements {
  /** Resolves once everything up to the sequence is noted in the store. Those that come during a write share the next. */
  through(sequence: number): Promise<void>
}

export function noteAcknowledgements({
  hostId,
  store,
}: {
  hostId: HostId
  store: Pick<Store, 'acknowledgeCommands'>
}): Acknowledgements {
  let wanted = 0
  let written = 0
  let writing: Promise<void> | undefined

  async function write(): Promise<void> {
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
  }
}

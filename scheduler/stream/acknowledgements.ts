import type { Clock } from '../../lib/clock.ts'
import type { HostId } from '../../proto/ids.ts'
import type { Store } from '../store/store.ts'

/** Of one session, in rising order. */
export interface Acknowledgements {
  /** Resolves once everything up to the sequence is noted in the store. Those that come during a write share the next. */
  through(sequence: number): Promise<void>
}

/** Acknowledgements of that long, of all sessions, are noted together: until then the host would be told again. */
const gatherMs = 20

/** By host, what its sessions are noting: the next session of a host waits for that, or it would be told again. */
export type BeingNoted = Map<HostId, Promise<void>>

/** Resolves once nothing of the host is being noted. */
export async function untilNoted(hostId: HostId, beingNoted: BeingNoted): Promise<void> {
  for (let work = beingNoted.get(hostId); work !== undefined; work = beingNoted.get(hostId)) {
    await work.catch(() => {})
  }
}

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
  beingNoted,
}: {
  hostId: HostId
  store: Pick<Store, 'acknowledgeCommands'>
  gathered: () => Promise<void>
  beingNoted: BeingNoted
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

  function begin(): Promise<void> {
    const work = write().finally(() => {
      writing = undefined
      if (beingNoted.get(hostId) === work) beingNoted.delete(hostId)
    })
    beingNoted.set(hostId, work)
    return work
  }

  return {
    through: async (sequence) => {
      wanted = Math.max(wanted, sequence)
      while (written < sequence) {
        writing ??= begin()
        await writing
      }
    },
  }
}

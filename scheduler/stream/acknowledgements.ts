import type { Clock } from '../../lib/clock.ts'
import type { HostId } from '../../proto/ids.ts'
import type { Store } from '../store/store.ts'

/** Of one session, in rising order. */
export interface Acknowledgements {
  /** Everything up to the sequence, soon. Those that come during a write share the next. */
  note(sequence: number): void
  /** The same; resolves once it is in the store. */
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
  onFailure,
}: {
  hostId: HostId
  store: Pick<Store, 'acknowledgeCommands'>
  gathered: () => Promise<void>
  beingNoted: BeingNoted
  onFailure: (thrown: unknown) => void
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
    const work = write().then(
      () => go(written < wanted),
      (thrown: unknown) => {
        go(false)
        onFailure(thrown)
        throw thrown
      },
    )
    // Most who note wait for nothing.
    work.catch(() => {})
    beingNoted.set(hostId, work)
    return work
  }

  function go(isMore: boolean): void {
    writing = isMore ? begin() : undefined
    if (!isMore) beingNoted.delete(hostId)
  }

  const note = (sequence: number) => {
    wanted = Math.max(wanted, sequence)
    writing ??= begin()
  }

  return {
    note,
    through: async (sequence) => {
      while (written < sequence) {
        note(sequence)
        await writing
      }
    },
  }
}

import { describe, expect, it } from 'vitest'
import { hostId } from '../../../proto/ids.ts'
import { gatherFor, noteAcknowledgements, untilNoted } from '../../../scheduler/stream/acknowledgements.ts'

function storeOf() {
  const writes: { readonly through: number; readonly end: (thrown?: Error) => void }[] = []
  return {
    writes,
    acknowledgeCommands: ({ throughSequence }: { throughSequence: number }) =>
      new Promise<void>((resolve, reject) => {
        const end = (thrown?: Error) => (thrown ? reject(thrown) : resolve())
        writes.push({ through: throughSequence, end })
      }),
  }
}

const gathered = async () => {}
const onFailure = () => {}
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('acknowledgements', () => {
  it('that come during a write share the next one, and each waits for its own', async () => {
    const store = storeOf()
    const acknowledgements = noteAcknowledgements({
      hostId: hostId('a'),
      store,
      gathered,
      beingNoted: new Map(),
      onFailure,
    })
    const noted: number[] = []
    const note = (sequence: number) => acknowledgements.through(sequence).then(() => noted.push(sequence))
    void note(1)
    await turn()
    for (const sequence of [2, 3]) void note(sequence)
    store.writes[0]?.end()
    await turn()
    expect([store.writes.map(({ through }) => through), noted]).toEqual([[1, 3], [1]])
    store.writes[1]?.end()
    await turn()
    expect(noted).toEqual([1, 2, 3])
  })

  it('are waited for by the next session of the host, all of them', async () => {
    const store = storeOf()
    const [host, beingNoted] = [hostId('a'), new Map()]
    const acknowledgements = noteAcknowledgements({ hostId: host, store, gathered, beingNoted, onFailure })
    let isNoted = false
    void acknowledgements.through(1)
    void untilNoted(host, beingNoted).then(() => {
      isNoted = true
    })
    await turn()
    void acknowledgements.through(2)
    store.writes[0]?.end()
    await turn()
    expect([store.writes.length, isNoted]).toEqual([2, false])
    store.writes[1]?.end()
    await turn()
    expect([isNoted, beingNoted.size]).toEqual([true, 0])
  })

  it('that nobody waits for are noted all the same, also those that come during a write', async () => {
    const store = storeOf()
    const [host, beingNoted] = [hostId('a'), new Map()]
    const failures: unknown[] = []
    const acknowledgements = noteAcknowledgements({
      ...{ hostId: host, store, gathered, beingNoted },
      onFailure: (thrown) => failures.push(thrown),
    })
    acknowledgements.note(1)
    await turn()
    for (const sequence of [2, 3]) acknowledgements.note(sequence)
    store.writes[0]?.end()
    await turn()
    expect([store.writes.map(({ through }) => through), beingNoted.size]).toEqual([[1, 3], 1])
    store.writes[1]?.end(new Error('the disk is full'))
    await turn()
    expect([failures.length, beingNoted.size]).toEqual([1, 0])
  })

  it('tell those who wait where the store fails', async () => {
    const store = storeOf()
    const acknowledgements = noteAcknowledgements({
      hostId: hostId('a'),
      store,
      gathered,
      beingNoted: new Map(),
      onFailure,
    })
    const both = Promise.allSettled([acknowledgements.through(1), acknowledgements.through(2)])
    await turn()
    store.writes[0]?.end(new Error('the disk is full'))
    await turn()
    store.writes[1]?.end(new Error('the disk is full'))
    expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })

  it('of all sessions are gathered for the same moment', async () => {
    const store = storeOf()
    const moment = Promise.withResolvers<void>()
    const clock = { sleep: () => moment.promise }
    const together = gatherFor({ clock })
    const sessions = ['a', 'b'].map((id) =>
      noteAcknowledgements({
        ...{ hostId: hostId(id), store, gathered: together, beingNoted: new Map(), onFailure },
      }),
    )
    for (const session of sessions) for (const sequence of [1, 2]) void session.through(sequence)
    await turn()
    expect(store.writes).toEqual([])
    moment.resolve()
    await turn()
    expect(store.writes.map(({ through }) => through)).toEqual([2, 2])
  })
})

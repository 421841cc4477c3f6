import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { instanceUid, projectId } from '../../../proto/ids.ts'
import { FairOrder } from '../../../scheduler/waiting/fair-order.ts'
import { exampleDemand } from '../placement/fleets.ts'

const waitingOf = (uid: string, project: string, sinceMs: number) => ({
  ...{ uid: instanceUid(uid), project: projectId(project), demand: exampleDemand },
  ...{ sinceMs, untilMs: 1e9, requestId: 'r' },
})
const namesOf = (order: FairOrder) => order.inOrder().map(({ uid }) => uid)

describe('the order of those who wait', () => {
  it('is projects in turn, and the oldest of each', () => {
    const order = new FairOrder()
    for (const [index, uid] of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'].entries()) {
      order.add(waitingOf(uid, uid.slice(0, 1), index))
    }
    expect(namesOf(order)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  })

  it('lets nobody who comes later take the turn of one that is passed over', () => {
    const order = new FairOrder()
    order.add(waitingOf('large', 'a', 0))
    for (let round = 1; round < 20; round += 1) {
      order.add(waitingOf(`small-${round}`, 'b', round))
      order.serve(instanceUid(`small-${round}`))
    }
    order.add(waitingOf('late', 'c', 100))
    expect(namesOf(order)).toEqual(['large', 'late'])
  })

  it('serves no other project much more often while one waits', () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'c', 'd') },
        { weight: 2, arbitrary: fc.constant('serve' as const) },
        { weight: 1, arbitrary: fc.constant('remove' as const) },
      ),
      { minLength: 20, maxLength: 200 },
    )
    fc.assert(
      fc.property(steps, (all) => {
        const order = new FairOrder()
        /** By who waits: how many of its project were there before it, and whom it has seen served since. */
        const seen = new Map<string, { readonly ahead: number; readonly project: string; served: string[] }>()
        for (const [index, step] of [...all, ...all.map(() => 'serve' as const)].entries()) {
          if (step === 'serve' || step === 'remove') {
            const waiting = order.inOrder()
            const one = step === 'serve' ? waiting[0] : waiting.at(-1)
            if (one === undefined) continue
            if (step === 'serve') order.serve(one.uid)
            else order.remove(one.uid)
            seen.delete(one.uid)
            if (step === 'serve') for (const other of seen.values()) other.served.push(one.project)
          } else {
            const uid = `${step}-${index}`
            const ahead = order.inOrder().filter(({ project }) => project === step).length
            order.add(waitingOf(uid, step, index))
            seen.set(uid, { ahead, project: step, served: [] })
          }
          for (const { ahead, project, served } of seen.values()) {
            for (const other of ['a', 'b', 'c', 'd'].filter((name) => name !== project)) {
              const count = served.filter((name) => name === other).length
              expect(count).toBeLessThanOrEqual(ahead + 2)
            }
          }
        }
        expect(order.size).toBe(0)
      }),
    )
  })
})

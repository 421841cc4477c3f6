// What is taken of a host's NUMA cells: a part of what is taken of the host, by whoever was placed in them.
import { describe, expect, it } from 'vitest'
import { InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { resourceUid, slotUid } from '../../proto/ids.ts'
import type { CellShare, Demand } from '../../scheduler/model/placement.ts'
import { scopeOf } from '../../scheduler/model/resource.ts'
import type { CreateResource } from '../../scheduler/store/resource-store.ts'
import type { CommitPlacement } from '../../scheduler/store/store.ts'
import { type OpenStore, storeWithHost } from './store-opening.ts'
import {
  absent,
  changeOf,
  commit,
  deleteOf,
  host,
  hostOf,
  observationOf,
  placementOf,
  project,
  readHost,
  uidOf,
  zone,
} from './store-values.ts'

const cells = [0, 1].map((numaNode) => ({ numaNode, vcpus: 4, memoryMib: 8192 }))

const share = (numaNode: number, vcpus = 1): CellShare => ({ numaNode, vcpus, memoryMib: vcpus * 1024 })

const stopped = { phase: InstancePhase.STOPPED, released: true }

const demandOf = (shares: readonly CellShare[]): Demand => ({
  ...placementOf(1).demand,
  vcpus: shares.reduce((sum, { vcpus }) => sum + vcpus, 0),
  memoryMib: shares.reduce((sum, { memoryMib }) => sum + memoryMib, 0),
  cells: shares,
})

const placedIn = (
  number: number,
  shares: readonly CellShare[],
  changes: Partial<CommitPlacement> = {},
): CommitPlacement => placementOf(number, { demand: demandOf(shares), ...changes })

export function describeCellContract(name: string, open: OpenStore): void {
  describe(`${name}: NUMA cells of a host`, () => {
    const store = storeWithHost(open, { cells })
    const used = async () =>
      (await readHost(store())).cells?.map((cell) => [cell.vcpus.used, cell.memoryMib.used])

    it('are kept as long as its agent tells of several, with the CPUs in the words of its zone', async () => {
      expect((await readHost(store())).cells).toEqual(
        [0, 1].map((numaNode) => ({
          numaNode,
          vcpus: { capacity: 4, used: 0 },
          memoryMib: { capacity: 8192, used: 0 },
        })),
      )
      await store().registerHost(hostOf())
      expect((await readHost(store())).cells).toBeUndefined()
    })

    it('have what is placed in them, until it stops or is gone, and from its next start on again', async () => {
      const { uid } = await commit(store(), placedIn(1, [share(0, 2), share(1, 2)]))
      expect(await used()).toEqual([
        [2, 2048],
        [2, 2048],
      ])
      await store().changeInstance(changeOf('stop', uid))
      await store().applyObservation(observationOf(uid, { ...stopped, generation: 2 }))
      expect(await used()).toEqual([
        [0, 0],
        [0, 0],
      ])
      const begun = await store().changeInstance(changeOf('start', uid, { cells: [share(1, 4)] }))
      expect(begun).toMatchObject({
        kind: 'accepted',
        instance: { demand: { cells: [share(1, 4)] }, spec: { cells: [share(1, 4)] } },
      })
      expect(await used()).toEqual([
        [0, 0],
        [4, 4096],
      ])
      await store().changeInstance(deleteOf(uid))
      await store().applyObservation(observationOf(uid, { ...absent, generation: 4 }))
      expect(await used()).toEqual([
        [0, 0],
        [0, 0],
      ])
    })

    it('are never given out beyond what there is, to however many at once', async () => {
      const outcomes = await Promise.all(
        [1, 2, 3].map((number) => store().commitPlacement(placedIn(number, [share(1, 2)]))),
      )
      expect(outcomes.map(({ kind }) => kind).toSorted()).toEqual(['claim-lost', 'committed', 'committed'])
      expect(outcomes.find(({ kind }) => kind === 'claim-lost')).toMatchObject({
        ...{ what: 'cell', message: 'the CPUs or the memory of NUMA cell 1 are taken' },
      })
      expect(await used()).toEqual([
        [0, 0],
        [4, 4096],
      ])
      expect((await readHost(store())).vcpus.used).toBe(4)
    })

    it('that are not there have no room', async () => {
      expect(await store().commitPlacement(placedIn(1, [share(7)]))).toMatchObject({ what: 'cell' })
      await store().registerHost(hostOf())
      expect(await store().commitPlacement(placedIn(2, [share(0)]))).toMatchObject({ what: 'cell' })
      expect(await store().commitPlacement(placementOf(3))).toMatchObject({ kind: 'committed' })
    })

    it('are counted anew when its agent tells of them again', async () => {
      const { uid } = await commit(store(), placedIn(1, [share(1, 3)]))
      await commit(store(), placedIn(2, [share(0)]))
      await store().registerHost(hostOf())
      await store().changeInstance(deleteOf(uid))
      await store().applyObservation(observationOf(uid, { ...absent, generation: 2 }))
      await store().registerHost(hostOf({ cells }))
      expect(await used()).toEqual([
        [1, 1024],
        [0, 0],
      ])
    })

    it('keep what a reservation has there, for whoever is in it', async () => {
      const uid = slotUid(uidOf(50))
      const slots = [{ uid, hostId: host, demand: demandOf([share(1, 2)]), devices: [] }]
      const reservation: CreateResource = {
        ...{ uid: resourceUid(uidOf(51)), collection: 'reservations', scope: scopeOf.project(project) },
        ...{ id: 'nightly', body: {}, nowMs: 2000 },
        taking: { kind: 'capacity', project, slots },
      }
      expect(await store().createResources([reservation])).toMatchObject({ kind: 'created' })
      const own = { ...demandOf([share(1, 2)]), slotUid: uid }
      await commit(store(), placementOf(1, { demand: own }))
      await store().registerHost(hostOf({ cells }))
      const both = [
        [0, 0],
        [2, 2048],
      ]
      expect(await used()).toEqual(both)
      await store().changeInstance(deleteOf(uidOf(1)))
      await store().applyObservation(
        observationOf(uidOf(1), {
          ...{ phase: InstancePhase.RUNNING, generation: 2, hostPart: { numaNodes: [0] } },
        }),
      )
      expect(await used()).toEqual(both)
      await store().applyObservation(observationOf(uidOf(1), { ...absent, generation: 2 }))
      expect(await used()).toEqual(both)
    })

    it('have who is there by the word of its host, and say why it is not where it was to be', async () => {
      const { uid } = await commit(store(), placedIn(1, [share(1, 2)]))
      const inTwo = [
        [0, 0],
        [2, 2048],
      ]
      const running = { phase: InstancePhase.RUNNING, settled: true }
      const see = (numaNodes: readonly number[], more: { cpus?: number[]; drift?: string } = {}) =>
        store().applyObservation(
          observationOf(uid, { ...running, hostPart: { numaNodes: [...numaNodes], ...more } }),
        )
      const find = () => store().findInstance(project, uid)
      expect(await see([1], { cpus: [4, 5] })).toMatchObject({ kind: 'applied' })
      expect(await find()).toMatchObject({ hostPart: { numaNodes: [1], cpus: [4, 5] } })
      expect((await find())?.hostPart).not.toHaveProperty('drift')
      expect(await used()).toEqual(inTwo)
      const { revision } = await readHost(store())

      // The same status in the same words: only where it is has changed.
      const drift = 'There was no room.'
      expect(await see([0], { drift })).toMatchObject({ kind: 'unchanged' })
      expect(await find()).toMatchObject({
        hostPart: { numaNodes: [0], cpus: [], drift },
        demand: { cells: [share(0, 2)] },
        spec: { cells: [] },
      })
      expect(await used()).toEqual([
        [2, 2048],
        [0, 0],
      ])
      expect((await readHost(store())).revision).toBeGreaterThan(revision)
      expect(await store().commitPlacement(placedIn(2, [share(0, 3)]))).toMatchObject({ what: 'cell' })

      await see([0, 1])
      expect(await used()).toEqual([
        [1, 1024],
        [1, 1024],
      ])
      // Anywhere, or where nobody knows of: it stays where it is counted.
      for (const nodes of [[], [7]]) await see(nodes)
      expect((await find())?.hostPart?.numaNodes).toEqual([7])
      expect(await used()).toEqual([
        [1, 1024],
        [1, 1024],
      ])
      await store().registerHost(hostOf({ cells }))
      expect(await used()).toEqual([
        [1, 1024],
        [1, 1024],
      ])

      await store().changeInstance(changeOf('stop', uid))
      await store().applyObservation(observationOf(uid, { ...stopped, generation: 2 }))
      expect(await find()).not.toHaveProperty('hostPart')
      expect(await used()).toEqual([
        [0, 0],
        [0, 0],
      ])
    })

    it('are fuller than they are where somebody is there all the same', async () => {
      await commit(store(), placedIn(1, [share(0, 3)]))
      const { uid } = await commit(store(), placedIn(2, [share(1, 3)]))
      await store().applyObservation(
        observationOf(uid, { phase: InstancePhase.RUNNING, hostPart: { numaNodes: [0] } }),
      )
      expect(await used()).toEqual([
        [6, 6144],
        [0, 0],
      ])
      expect(await store().commitPlacement(placedIn(3, [share(0)]))).toMatchObject({ what: 'cell' })
      await store().changeInstance(deleteOf(uid))
      await store().applyObservation(observationOf(uid, { ...absent, generation: 2 }))
      expect(await used()).toEqual([
        [3, 3072],
        [0, 0],
      ])
    })

    it('are for one that has waited where it is placed', async () => {
      const { hostId: _host, devices: _devices, commandId: _command, ...input } = placementOf(1)
      await store().enqueueInstance({ ...input, wish: input.demand, untilMs: 9000 })
      const placed = await store().placeWaiting({
        ...{ uid: uidOf(1), hostId: host, devices: [], cells: [share(1)], statusMessage: 'Placed.' },
        ...{ commandId: 'command-1', nowMs: 5000 },
        explanation: { seed: 's', hostsConsidered: 1, refusals: [] },
      })
      expect(placed).toMatchObject({
        kind: 'placed',
        instance: { demand: { zone, cells: [share(1)] }, spec: { cells: [share(1)] } },
      })
      expect(await used()).toEqual([
        [0, 0],
        [1, 1024],
      ])
    })
  })
}

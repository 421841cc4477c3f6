import { describe, expect, it } from 'vitest'
import { hostId, projectId, type ResourceUid, resourceUid, slotUid, zoneId } from '../../proto/ids.ts'
import { scopeOf } from '../../scheduler/model/resource.ts'
import type { CreateResource } from '../../scheduler/store/resource-store.ts'
import type { Store } from '../../scheduler/store/store.ts'
import { type OpenStore, storeWithHost } from './store-opening.ts'
import {
  absent,
  commit,
  deleteOf,
  gpu,
  host,
  hostOf,
  observationOf,
  placementOf,
  readHost,
} from './store-values.ts'

const uid = (number: number): ResourceUid =>
  resourceUid(`0192f0c1-5555-7000-8000-${number.toString(16).padStart(12, '0')}`)
const scope = scopeOf.zone('us1-c')
const zone: CreateResource = {
  ...{ uid: uid(1), collection: 'zones', scope: scopeOf.region, id: 'us1-c' },
  ...{ body: { cpuOvercommit: 2 }, nowMs: 1 },
}
const typeOf = (number: number, pciIds: readonly string[]): CreateResource => ({
  ...{ uid: uid(number), collection: 'accelerator-types', scope, id: `gpu-${number}` },
  ...{ body: { pciIds, maximumPerInstance: 8 }, nowMs: 1 },
})
const other = hostId('host-c')
const hostThere = () =>
  hostOf({
    ...{ hostId: other, zone: zoneId('us1-c'), journalUuid: 'journal-c', vcpus: 5 },
    devices: [1, 2].map((slot) => ({ address: gpu(slot), pciId: `10de:000${slot}`, numaNode: 0 })),
  })
const placedThere = (number: number) => {
  const { demand } = placementOf(number)
  return placementOf(number, { hostId: other, demand: { ...demand, zone: zoneId('us1-c') } })
}
const typesThere = async (store: Store) =>
  (await readHost(store, other)).devices.map(({ acceleratorType }) => acceleratorType)

export function describePlaceContract(name: string, open: OpenStore): void {
  describe(`${name}: places`, () => {
    const store = storeWithHost(open)
    const make = async (...inputs: CreateResource[]) => (await store().createResources(inputs)).kind
    const remove = (number: number) => store().deleteResources([{ uid: uid(number), nowMs: 2 }])
    const update = (number: number, patch: object) =>
      store().updateResource({ uid: uid(number), patch: { ...patch }, nowMs: 2 })

    it('take hosts of zones that are there, and give them capacity and types', async () => {
      expect(await store().registerHost(hostThere())).toMatchObject({
        ...{ kind: 'refused', reason: 'UNKNOWN_ZONE', message: expect.stringContaining('us1-a, us1-b') },
      })
      expect(await make(zone, typeOf(2, ['10de:0001']))).toBe('created')
      await store().registerHost(hostThere())
      expect((await readHost(store(), other)).vcpus).toEqual({ capacity: 10, used: 0 })
      expect(await typesThere(store())).toEqual(['gpu-2', undefined])
    })

    it('give devices that are there already a new type, and take it away with the type', async () => {
      await make(zone)
      await store().registerHost(hostThere())
      const { revision } = await store().readHostsChangedAfter(0)
      await make(typeOf(2, ['10de:0001']))
      const changed = await store().readHostsChangedAfter(revision)
      expect(changed.hosts.map(({ hostId }) => hostId)).toEqual([other])
      expect(await typesThere(store())).toEqual(['gpu-2', undefined])
      await update(2, { pciIds: ['10de:0001', '10de:0002'] })
      expect(await typesThere(store())).toEqual(['gpu-2', 'gpu-2'])
      expect(await remove(2)).toEqual({ kind: 'deleted' })
      expect(await typesThere(store())).toEqual([undefined, undefined])
      const lost = await store().commitPlacement({ ...placedThere(1), devices: [gpu(1)] })
      expect(lost).toMatchObject({ kind: 'claim-lost', what: 'device' })
      // Of hosts in other zones nothing has changed.
      expect((await readHost(store())).devices[0]?.acceleratorType).toBe('gpu-80gb')
    })

    it('have a PCI id in one type alone', async () => {
      await make(zone, typeOf(2, ['10de:0001']))
      const taken = { kind: 'pci-id-taken', pciId: '10de:0001', type: 'gpu-2' }
      expect(await store().createResources([typeOf(3, ['10de:0009', '10de:0001'])])).toEqual(taken)
      expect(await make(typeOf(3, ['10de:0009']))).toBe('created')
      expect(await update(3, { pciIds: ['10de:0001'] })).toEqual(taken)
      expect(await update(3, { pciIds: ['10de:0008', '10de:0009'] })).toMatchObject({ kind: 'updated' })
    })

    it('give hosts more or less room at once, and never less than is claimed', async () => {
      await make(zone)
      await store().registerHost(hostThere())
      for (const number of [1, 2, 3, 4, 5, 6, 7]) await commit(store(), placedThere(number))
      await update(1, { cpuOvercommit: 3.5 })
      expect((await readHost(store(), other)).vcpus).toEqual({ capacity: 17, used: 7 })
      await update(1, { cpuOvercommit: 1 })
      expect((await readHost(store(), other)).vcpus).toEqual({ capacity: 7, used: 7 })
      const { uid: first } = await commit(store(), placementOf(8))
      const lost = await store().commitPlacement(placedThere(9))
      expect(lost).toMatchObject({ kind: 'claim-lost', what: 'vcpus' })
      for (const number of [1, 2, 3]) {
        const { uid: gone } = placedThere(number)
        await store().changeInstance(deleteOf(gone))
        await store().applyObservation({ ...observationOf(gone, absent), hostId: other })
      }
      expect((await readHost(store(), other)).vcpus).toEqual({ capacity: 5, used: 4 })
      expect((await store().listInstancesOnHost(host)).map((instance) => instance.uid)).toEqual([first])
    })

    it('of the settings file mean what it says now, before the hosts are back', async () => {
      const declare = (cpuOvercommit: number, pciIds: string[]) =>
        store().declareResources({
          resources: [
            { ...zone, body: { cpuOvercommit } },
            { ...typeOf(2, []), body: { pciIds, maximumPerInstance: 8 } },
          ],
          nowMs: 3,
        })
      await declare(2, ['10de:0001'])
      await store().registerHost(hostThere())
      await declare(4, ['10de:0002'])
      expect((await readHost(store(), other)).vcpus.capacity).toBe(20)
      expect(await typesThere(store())).toEqual([undefined, 'gpu-2'])
      // The file's word comes before a type that was made by request.
      await make(typeOf(3, ['10de:0001']))
      await declare(4, ['10de:0001', '10de:0002'])
      expect(await typesThere(store())).toEqual(['gpu-2', 'gpu-2'])
    })

    it('stay while something is in them', async () => {
      await make(zone, typeOf(2, ['10de:0001']), typeOf(3, ['10de:0002']))
      await store().registerHost(hostThere())
      const { demand } = placedThere(1)
      const gpus = [{ type: 'gpu-2', count: 1 }]
      await commit(store(), {
        ...placedThere(1),
        uses: [uid(2)],
        devices: [gpu(1)],
        demand: { ...demand, gpus },
      })
      await make({
        ...{ uid: uid(4), collection: 'reservations', scope: scopeOf.project('shop'), id: 'kept' },
        ...{ body: { zone: 'us1-c', gpus: [{ type: 'gpu-3', count: 1 }] }, nowMs: 1 },
        taking: {
          ...{ kind: 'capacity', project: projectId('shop') },
          slots: [{ uid: slotUid('slot-1'), hostId: other, demand, devices: [gpu(2)] }],
        },
      })
      const own = { collection: 'instance-types', scope: scopeOf.project('shop'), nowMs: 1 } as const
      const body = { zone: 'us1-c', vcpus: 1, memoryMib: 512, gpus: { type: 'gpu-2', count: 1 } }
      expect(await make({ ...own, uid: uid(5), id: 'mine', body })).toBe('created')
      expect(await remove(2)).toEqual({
        kind: 'in-use',
        by: [
          { noun: 'instance', id: 'web-1' },
          { noun: 'instance type', id: 'mine' },
        ],
      })
      expect(await remove(3)).toEqual({ kind: 'in-use', by: [{ noun: 'reservation', id: 'kept' }] })
      expect(await update(3, { pciIds: ['10de:0009'] })).toEqual({
        ...{ kind: 'in-use', by: [{ noun: 'reservation', id: 'kept' }] },
      })
      expect(await typesThere(store())).toEqual(['gpu-2', 'gpu-3'])
      expect(await remove(1)).toMatchObject({
        kind: 'in-use',
        by: expect.arrayContaining([
          { noun: 'host', id: 'host-c' },
          { noun: 'instance', id: 'web-1' },
          { noun: 'accelerator type', id: 'gpu-2' },
        ]),
      })
      const gone = { ...body, gpus: { type: 'gpu-9', count: 1 } }
      expect(await make({ ...own, uid: uid(6), id: 'late', body: gone })).toBe('parent-gone')
      expect(await make({ ...own, uid: uid(6), id: 'late', body: { ...body, zone: 'us1-z' } })).toBe(
        'parent-gone',
      )
      expect(await make({ ...typeOf(6, ['10de:0007']), scope: scopeOf.zone('us1-z') })).toBe('parent-gone')
    })

    it('go when their hosts are lost for good and nothing else is left', async () => {
      await make(zone)
      await store().registerHost(hostThere())
      const { uid: instance } = await commit(store(), placedThere(1))
      await store().changeInstance(deleteOf(instance))
      expect(await remove(1)).toMatchObject({ by: [{ noun: 'host' }, { noun: 'instance' }] })
      await store().fenceHost({ hostId: other, requestId: 'fence', nowMs: 5 })
      expect(await remove(1)).toEqual({ kind: 'deleted' })
      const empty = { ...hostThere(), journalUuid: 'journal-d' }
      expect(await store().registerHost(empty)).toMatchObject({ reason: 'UNKNOWN_ZONE' })
    })
  })
}

import { create } from '@bufbuild/protobuf'
import { beforeEach, describe, expect, it } from 'vitest'
import { DiskObservationSchema, DiskPhase } from '../../proto/gen/berth/agent/v1/disk_pb.ts'
import {
  DiskSchema,
  InstanceObservationSchema,
  InstancePhase,
} from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { diskUid, hostId, resourceUid } from '../../proto/ids.ts'
import type { ChangeInstance, CreateDisk } from '../../scheduler/store/store.ts'
import { type OpenStore, storeWithHost } from './store-opening.ts'
import {
  absent,
  changeOf,
  commit,
  deleteOf,
  host,
  hostOf,
  keyOf,
  observationOf,
  operationIdOf,
  placementOf,
  project,
  readHost,
  readOutbox,
  zone,
} from './store-values.ts'

const uid = diskUid('0192f0c1-3333-7000-8000-000000000001')
const ownerUid = resourceUid('0192f0c1-4444-7000-8000-000000000001')
const diskOf = (changes: Partial<CreateDisk> = {}): CreateDisk => ({
  ...{ uid, project, id: 'data', zone, sizeGb: 20, labels: {}, nowMs: 2000 },
  projectUid: ownerUid,
  ...changes,
})
const details = {
  ...({ sizeGb: 20, interface: 'VIRTIO', source: 'the path', boot: false } as const),
  ...({ type: 'PERSISTENT', mode: 'READ_WRITE', autoDelete: false } as const),
}
const attachOf = (): Pick<ChangeInstance, 'attach'> => ({
  attach: { diskUid: uid, details, spec: create(DiskSchema, { volumeUid: uid, sizeGb: 20 }) },
})
const removal = {
  operationId: operationIdOf(900),
  commandId: 'c',
  requestId: 'r',
  principal: 'anna',
  nowMs: 5000,
}
const gone = (generation: number, phase: DiskPhase = DiskPhase.ABSENT) => ({
  ...{ hostId: host, nowMs: 6000 },
  observation: create(DiskObservationSchema, { uid, generation, epoch: 1, phase, message: 'Said.' }),
})

export function describeDiskContract(name: string, open: OpenStore): void {
  describe(`${name}: disks`, () => {
    const store = storeWithHost(open)
    const owner = {
      uid: ownerUid,
      collection: 'projects',
      scope: 'region',
      id: project,
      body: {},
      nowMs: 1,
    } as const
    beforeEach(() => store().createResources([owner]))
    const find = () => store().findDisk(project, 'data')
    const usedGb = async () => (await readHost(store())).diskGb.used
    const quotaGb = async () =>
      (await store().listQuotas(project)).find(({ metric }) => metric === 'disksGb')?.used

    async function see(
      instance: string,
      generation: number,
      volumeUids: string[],
      phase = InstancePhase.RUNNING,
    ) {
      const { observation, ...input } = observationOf(instance, { phase, generation })
      return store().applyObservation({
        ...input,
        observation: create(InstanceObservationSchema, { ...observation, volumeUids }),
      })
    }

    async function attached() {
      await store().createDisk(diskOf())
      const instance = await commit(store(), placementOf(1))
      await see(instance.uid, 1, [])
      const outcome = await store().changeInstance(changeOf('attachDisk', instance.uid, attachOf()))
      if (outcome.kind !== 'accepted') throw new Error(outcome.kind)
      return outcome.instance
    }

    it('keep their project and their image, and are not made of what has gone', async () => {
      await store().createDisk(diskOf())
      const by = [{ noun: 'disk', id: 'data' }]
      expect(await store().deleteResources([{ uid: ownerUid, nowMs: 2 }])).toEqual({ kind: 'in-use', by })
      await store().deleteDisk({ project, idOrUid: 'data', ...removal })
      expect(await store().deleteResources([{ uid: ownerUid, nowMs: 2 }])).toEqual({ kind: 'deleted' })
      expect(await store().createDisk(diskOf())).toEqual({ kind: 'resource-gone' })
    })

    it('counts one against the quota once, and against a host from its first use', async () => {
      expect(await store().createDisk(diskOf())).toMatchObject({ kind: 'created', disk: { status: 'READY' } })
      expect([await usedGb(), await quotaGb()]).toEqual([0, 20])
      const instance = await commit(store(), placementOf(1))
      await see(instance.uid, 1, [])
      const outcome = await store().changeInstance(changeOf('attachDisk', instance.uid, attachOf()))
      expect(outcome).toMatchObject({
        instance: { generation: 2, details: { disks: [{ deviceName: 'disk0' }] } },
      })
      expect([await usedGb(), await quotaGb()]).toEqual([30, 30])
      expect(await find()).toMatchObject({ hostId: host, user: { id: 'web-1' } })
      expect((await readOutbox(store())).at(-1)?.body).toMatchObject({
        value: { spec: { disks: [{ volumeUid: uid, deviceName: 'disk0', mustExist: false }] } },
      })
    })

    it('answers the same key with the same disk, another use of it and a second name with a no', async () => {
      const idempotency = keyOf()
      await store().createDisk(diskOf({ idempotency }))
      const other = diskUid('0192f0c1-3333-7000-8000-000000000002')
      expect(await store().createDisk(diskOf({ idempotency, uid: other }))).toMatchObject({
        ...{ kind: 'replay', disk: { uid } },
      })
      const reused = keyOf({ requestHash: 'hash-2' })
      expect(await store().createDisk(diskOf({ idempotency: reused, uid: other }))).toEqual({
        kind: 'other-request',
      })
      expect(await store().createDisk(diskOf({ uid: other }))).toEqual({ kind: 'name-taken' })
      await store().deleteDisk({ ...removal, project, idOrUid: 'data' })
      expect(await store().findDiskByKey(idempotency)).toEqual({ kind: 'gone', uid })
    })

    it('frees a disk only by the word of the host that came to rest without it', async () => {
      const { uid: instance } = await attached()
      await see(instance, 2, [uid])
      expect(await find()).toMatchObject({ isMade: true })
      const detach = changeOf('detachDisk', instance, { detach: { deviceName: 'disk0' } })
      expect(await store().changeInstance(detach)).toMatchObject({
        instance: { generation: 3, details: { disks: [{ deviceName: 'disk0' }] } },
      })
      expect((await readOutbox(store())).at(-1)?.body).toMatchObject({ value: { spec: { disks: [] } } })
      expect(await find()).toMatchObject({ user: { uid: instance } })
      await see(instance, 2, [])
      expect(await find()).toMatchObject({ user: { uid: instance } })
      await see(instance, 3, [])
      expect(await find()).not.toHaveProperty('user')
      expect(await store().findInstance(project, instance)).toMatchObject({
        details: { disks: [] },
        spec: { disks: [] },
      })
      expect(await store().findOperation(project, detach.operationId)).not.toHaveProperty('error')
      expect(await usedGb()).toBe(30)
    })

    it('keeps a disk that the guest did not let go of, and ends the operation with the reason', async () => {
      const { uid: instance } = await attached()
      await see(instance, 2, [uid])
      const detach = changeOf('detachDisk', instance, { detach: { deviceName: 'disk0' } })
      await store().changeInstance(detach)
      await see(instance, 3, [uid])
      expect(await store().findOperation(project, detach.operationId)).toMatchObject({
        ...{ status: 'DONE', error: { message: 'Seen.' } },
      })
      await store().changeInstance(changeOf('stop', instance))
      expect((await readOutbox(store())).at(-1)?.body).toMatchObject({
        value: { spec: { disks: [{ volumeUid: uid, mustExist: true }] } },
      })
    })

    it('takes back one that the host could not attach', async () => {
      const { uid: instance, operationId } = await attached()
      await see(instance, 2, [])
      expect(await store().findOperation(project, operationId)).toMatchObject({ error: { message: 'Seen.' } })
      expect(await find()).not.toHaveProperty('user')
    })

    it('refuses a second user, another host and one that is used being deleted', async () => {
      await attached()
      const other = await commit(store(), placementOf(2))
      await see(other.uid, 1, [])
      const again = () => store().changeInstance(changeOf('attachDisk', other.uid, attachOf()))
      expect(await again()).toMatchObject({
        reason: 'DISK_IN_USE',
        message: expect.stringContaining('web-1'),
      })
      expect(await store().deleteDisk({ ...removal, project, idOrUid: 'data' })).toEqual({
        ...{ kind: 'in-use', instance: 'web-1' },
      })
      const elsewhere = hostId('host-2')
      await store().registerHost(hostOf({ hostId: elsewhere, journalUuid: 'journal-2' }))
      const far = await commit(store(), placementOf(3, { hostId: elsewhere }))
      const { observation } = observationOf(far.uid, { phase: InstancePhase.RUNNING })
      await store().applyObservation({ hostId: elsewhere, observation, nowMs: 3000 })
      await store().changeInstance(deleteOf('web-1'))
      await store().applyObservation(observationOf(placementOf(1).uid, { ...absent, generation: 3 }))
      expect(await find()).not.toHaveProperty('user')
      expect(await store().changeInstance(changeOf('attachDisk', far.uid, attachOf()))).toMatchObject({
        reason: 'DISK_ON_OTHER_HOST',
      })
    })

    it('removes one that was on a host by proof alone, with its room and quota', async () => {
      const { uid: instance } = await attached()
      await see(instance, 2, [uid])
      await store().changeInstance(deleteOf(instance))
      await store().applyObservation(observationOf(instance, { ...absent, generation: 3 }))
      expect([await usedGb(), await quotaGb()]).toEqual([20, 20])
      expect(await store().applyDiskObservation(gone(9))).toMatchObject({ kind: 'stale' })
      expect(await store().deleteDisk({ ...removal, project, idOrUid: 'data' })).toMatchObject({
        ...{ kind: 'deleting', disk: { status: 'DELETING' } },
      })
      expect((await readOutbox(store())).at(-1)).toMatchObject({
        uid,
        generation: 2,
        body: { case: 'ensureDisk' },
      })
      expect(await store().listDisksToRemove(host)).toMatchObject([{ uid, generation: 2 }])
      expect(await store().applyDiskObservation(gone(1))).toMatchObject({ kind: 'stale' })
      expect(await store().applyDiskObservation(gone(2, DiskPhase.REMOVING))).toEqual({ kind: 'applied' })
      expect(await find()).toMatchObject({ statusMessage: 'Said.' })
      expect(await store().applyDiskObservation(gone(2))).toEqual({ kind: 'removed' })
      expect([await usedGb(), await quotaGb(), await find()]).toEqual([0, 0, undefined])
      expect(await store().findOperation(project, removal.operationId)).toMatchObject({
        ...{ status: 'DONE', collection: 'disks', targetId: 'data' },
      })
    })

    it('says of the disks of a fenced host that they are lost, and lets them be deleted at once', async () => {
      await attached()
      await store().fenceHost({ hostId: host, requestId: 'fence', nowMs: 7000 })
      expect(await find()).toMatchObject({ status: 'FAILED', statusMessage: expect.stringContaining('lost') })
      expect(await find()).not.toHaveProperty('user')
      expect(await usedGb()).toBe(0)
      expect(await store().deleteDisk({ ...removal, project, idOrUid: 'data' })).toMatchObject({
        kind: 'gone',
      })
      expect(await quotaGb()).toBe(0)
    })

    it('keeps a host with disks from coming back with another journal', async () => {
      const { uid: instance } = await attached()
      await store().changeInstance(deleteOf(instance))
      await store().applyObservation(observationOf(instance, { ...absent, generation: 3 }))
      expect(await store().registerHost(hostOf({ journalUuid: 'journal-2' }))).toMatchObject({
        reason: 'JOURNAL_CHANGED',
      })
    })
  })
}

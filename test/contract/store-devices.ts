import { create } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import {
  DeviceAction,
  type DeviceObservation,
  DeviceObservationSchema,
  DeviceState,
} from '../../proto/gen/berth/agent/v1/device_pb.ts'
import { InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { ObjectKind } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import { pciAddress, projectId, resourceUid, slotUid } from '../../proto/ids.ts'
import { scopeOf } from '../../scheduler/model/resource.ts'
import type { ChangeDevice } from '../../scheduler/store/device-store.ts'
import type { CreateResource } from '../../scheduler/store/resource-store.ts'
import { type OpenStore, storeWithHost } from './store-opening.ts'
import {
  changeOf,
  commit,
  gpu,
  host,
  hostOf,
  keyOf,
  observationOf,
  otherProject,
  placementOf,
  project,
  readHost,
  readOutbox,
} from './store-values.ts'

type Seen = Partial<Omit<DeviceObservation, '$typeName' | '$unknown'>>

const reservationOf = (devices: readonly number[]): CreateResource => ({
  ...{ uid: resourceUid('reservation-1'), collection: 'reservations', scope: scopeOf.project(project) },
  ...{ id: 'kept', body: {}, nowMs: 1 },
  taking: {
    ...{ kind: 'capacity', project },
    slots: [
      {
        ...{ uid: slotUid('slot-1'), hostId: host, demand: placementOf(1).demand },
        devices: devices.map(gpu),
      },
    ],
  },
})

export function describeDeviceContract(name: string, open: OpenStore): void {
  describe(`${name}: devices`, () => {
    const store = storeWithHost(open)
    const observe = (slot: number, seen: Seen, epoch = 1) =>
      store().applyDeviceObservation({
        ...{ hostId: host, epoch, nowMs: 3000 },
        observation: create(DeviceObservationSchema, {
          ...{ address: gpu(slot), present: true, state: DeviceState.FREE, ...seen },
        }),
      })
    const ask = (changes: Partial<ChangeDevice>) =>
      store().changeDevice({
        ...{ hostId: host, address: gpu(1), verb: 'reset', commandId: 'c', requestId: 'r', nowMs: 4000 },
        ...changes,
      })
    const find = async (slot: number) =>
      (await store().listDevices(host))?.find(({ address }) => address === gpu(slot))
    const take = (number: number, slot: number) =>
      store().commitPlacement(placementOf(number, { devices: [gpu(slot)] }))
    const quarantined = { state: DeviceState.QUARANTINED, reason: 'RESET_FAILED', message: 'It hangs.' }

    it('are what their host says of them, with its reasons and times', async () => {
      expect(await find(1)).toEqual({
        ...{ hostId: host, address: gpu(1), acceleratorType: 'gpu-80gb', pciId: '10de:2330', numaNode: 0 },
        ...{ present: true, state: 'FREE', reason: '', message: '' },
      })
      const seen = {
        ...{ ...quarantined, enteredAtUnixMs: 5n, deadlineUnixMs: 9n, instanceUid: 'gone', generation: 0 },
        unscrubbedProject: 'lab',
      }
      expect(await observe(1, seen)).toEqual({ kind: 'applied' })
      expect(await find(1)).toMatchObject({
        ...{ state: 'QUARANTINED', reason: 'RESET_FAILED', message: 'It hangs.', enteredAtMs: 5 },
        ...{ deadlineMs: 9, holderUid: 'gone', unscrubbedProject: 'lab' },
      })
      const { revision } = await store().readHostsChangedAfter(0)
      expect(await observe(1, { ...seen, observedAtUnixMs: 7n })).toEqual({ kind: 'unchanged' })
      expect((await store().readHostsChangedAfter(revision)).hosts).toEqual([])
      await observe(1, {})
      expect(await find(1)).toMatchObject({ state: 'FREE', reason: '' })
      expect((await store().readHostsChangedAfter(revision)).hosts).toMatchObject([{ hostId: host }])
    })

    it('that nobody knew are there without a type, and one that has gone is absent', async () => {
      await observe(20, {})
      await observe(2, { present: false })
      const { devices } = await readHost(store())
      expect(devices.find(({ address }) => address === gpu(20))).toEqual({
        ...{ address: gpu(20), numaNode: -1, present: true },
      })
      expect(await find(2)).toMatchObject({ present: false })
      expect(await take(1, 2)).toMatchObject({ kind: 'claim-lost', what: 'device' })
      expect(await take(1, 20)).toMatchObject({ kind: 'claim-lost', what: 'device' })
    })

    it('are told of by the epoch of now alone, and never by a host that is fenced', async () => {
      await store().registerHost(hostOf({ journalUuid: 'journal-2' }))
      expect(await observe(1, quarantined, 1)).toMatchObject({ kind: 'stale' })
      expect(await observe(1, quarantined, 2)).toMatchObject({ kind: 'applied' })
      await store().fenceHost({ hostId: host, requestId: 'fence', nowMs: 1 })
      expect(await observe(1, {}, 2)).toMatchObject({ kind: 'stale' })
    })

    it('keep their claims whatever is said of them', async () => {
      const { uid } = await commit(store(), placementOf(1, { devices: [gpu(1)] }))
      for (const state of [DeviceState.FREE, DeviceState.QUARANTINED, DeviceState.SCRUBBING]) {
        await observe(1, { state, instanceUid: 'another' })
        expect(await find(1)).toMatchObject({ claimedBy: uid, instance: { project, id: 'web-1' } })
      }
      await observe(1, { present: false })
      expect(await find(1)).toMatchObject({ claimedBy: uid })
    })

    it('in a state that nobody here knows are not free', async () => {
      await observe(1, { state: 99 as DeviceState })
      expect(await find(1)).toMatchObject({ state: 'QUARANTINED', reason: 'STATE_UNKNOWN' })
    })

    it('are claimed only when nothing speaks against it, with the reason', async () => {
      await observe(1, quarantined)
      await observe(2, { state: DeviceState.SCRUBBING })
      await observe(3, { unscrubbedProject: otherProject })
      expect(await take(1, 1)).toMatchObject({ message: `device ${gpu(1)} is quarantined (RESET_FAILED)` })
      expect(await take(1, 2)).toMatchObject({ message: expect.stringContaining('being reset and scrubbed') })
      expect(await take(1, 3)).toMatchObject({
        message: `device ${gpu(3)} is unscrubbed after another project`,
      })
      await commit(store(), placementOf(2, { project: otherProject, devices: [gpu(3)] }))
    })

    it('that are unscrubbed are reused where their zone says so, from that moment on', async () => {
      await observe(1, { unscrubbedProject: otherProject })
      const declare = (body: object) =>
        store().declareResources({
          resources: [
            {
              ...{
                uid: resourceUid('uid-of-us1-a'),
                collection: 'zones',
                scope: scopeOf.region,
                id: 'us1-a',
              },
              body: { cpuOvercommit: 1, ...body },
            },
            {
              ...{ uid: resourceUid('uid-of-gpu-in-us1-a'), collection: 'accelerator-types', id: 'gpu-80gb' },
              ...{ scope: scopeOf.zone('us1-a'), body: { pciIds: ['10de:2330'] } },
            },
          ],
          nowMs: 3,
        })
      const { revision } = await store().readHostsChangedAfter(0)
      await declare({ unscrubbedDevices: 'reuse' })
      const { hosts } = await store().readHostsChangedAfter(revision)
      expect(hosts).toMatchObject([{ hostId: host, unscrubbedDevices: 'reuse' }])
      await commit(store(), placementOf(1, { devices: [gpu(1)] }))
      await declare({})
      expect(await readHost(store())).toMatchObject({ unscrubbedDevices: 'quarantine' })
    })

    it('in a place of a reservation follow the same rule, when it is made and when it is entered', async () => {
      await observe(1, quarantined)
      expect(await store().createResources([reservationOf([1])])).toMatchObject({ kind: 'claim-lost' })
      await observe(1, {})
      expect(await store().createResources([reservationOf([1])])).toMatchObject({ kind: 'created' })
      const demand = { ...placementOf(1).demand, slotUid: slotUid('slot-1') }
      await observe(1, quarantined)
      expect(await store().commitPlacement(placementOf(1, { demand }))).toMatchObject({
        ...{ kind: 'claim-lost', what: 'device', message: expect.stringContaining('RESET_FAILED') },
      })
      await observe(1, { unscrubbedProject: project })
      const { uid } = await commit(store(), placementOf(1, { demand }))
      await store().changeInstance(changeOf('stop', uid))
      const stopped = { phase: InstancePhase.STOPPED, generation: 2, released: true }
      await store().applyObservation(observationOf(uid, stopped))
      await observe(1, { state: DeviceState.RESETTING })
      const start = await store().changeInstance(changeOf('start', uid))
      expect(start).toMatchObject({ kind: 'claim-lost', what: 'device' })
      await observe(1, {})
      expect(await store().changeInstance(changeOf('start', uid))).toMatchObject({ kind: 'accepted' })
    })

    it('that are free again go to an instance that is started again, and not before', async () => {
      const { uid } = await commit(store(), placementOf(1, { devices: [gpu(1)] }))
      await store().changeInstance(changeOf('stop', uid))
      await observe(1, { state: DeviceState.SCRUBBING })
      const stopped = { phase: InstancePhase.STOPPED, generation: 2, released: true }
      await store().applyObservation(observationOf(uid, stopped))
      const start = () =>
        store().changeInstance(changeOf('start', uid, { gpus: [{ type: 'gpu-80gb', address: gpu(1) }] }))
      expect(await start()).toMatchObject({ kind: 'claim-lost', what: 'device' })
      await observe(1, { unscrubbedProject: project })
      expect(await start()).toMatchObject({ kind: 'accepted' })
    })

    it("take an operator's word as a command, and nobody else until it is taken", async () => {
      await observe(1, { ...quarantined, generation: 4 })
      const outcome = await ask({ verb: 'release' })
      expect(outcome).toMatchObject({
        ...{ kind: 'accepted', device: { state: 'QUARANTINED', isAwaited: true } },
      })
      expect(await readOutbox(store())).toMatchObject([
        {
          ...{ kind: ObjectKind.DEVICE, uid: gpu(1), generation: 5, requestId: 'r' },
          body: { case: 'ensureDevice', value: { action: DeviceAction.RELEASE, reason: '' } },
        },
      ])
      await ask({ address: gpu(2), verb: 'quarantine', reason: 'It is warm.' })
      const [, second] = await readOutbox(store())
      expect(second?.body.value).toMatchObject({ action: DeviceAction.QUARANTINE, reason: 'It is warm.' })
      expect(await take(1, 2)).toMatchObject({ kind: 'claim-lost', what: 'device' })
      await observe(2, { generation: 1 })
      expect((await find(2))?.lastCommand).toEqual({
        ...{ verb: 'quarantine', status: 'DONE', requestId: 'r', askedAtMs: 4000 },
      })
      expect(await take(1, 2)).toMatchObject({ kind: 'committed' })
    })

    it('tell how a command ended: a reset when they have come to rest, a refused one with why', async () => {
      await ask({})
      await observe(1, { state: DeviceState.RESETTING, generation: 1 })
      expect((await find(1))?.lastCommand).toMatchObject({ verb: 'reset', status: 'RUNNING' })
      await observe(1, { generation: 1 })
      expect((await find(1))?.lastCommand).toMatchObject({ status: 'DONE' })
      await observe(1, { ...quarantined, generation: 1 })
      await ask({ verb: 'release' })
      await observe(1, { state: DeviceState.QUARANTINED, reason: 'RELEASING', generation: 2 })
      expect((await find(1))?.lastCommand).toMatchObject({ verb: 'release', status: 'RUNNING' })
      await observe(1, { generation: 2 })
      expect((await find(1))?.lastCommand).toMatchObject({ status: 'DONE' })
      await ask({})
      const no = { hostId: host, address: gpu(1), reason: 'COMMAND_INVALID', message: 'No.' }
      await store().failDeviceCommand({ ...no, generation: 2 })
      expect((await find(1))?.lastCommand).toMatchObject({ status: 'RUNNING' })
      await store().failDeviceCommand({ ...no, generation: 3 })
      expect((await find(1))?.lastCommand).toMatchObject({
        ...{ status: 'DONE', error: { reason: 'COMMAND_INVALID', message: 'No.' } },
      })
      expect(await find(1)).not.toHaveProperty('isAwaited')
      // It was carried out after all, in a later session.
      await observe(1, { generation: 3 })
      expect((await find(1))?.lastCommand).not.toHaveProperty('error')
    })

    it('refuse what makes no sense, and what would take a guest its device', async () => {
      expect(await ask({ hostId: 'none' as never })).toEqual({ kind: 'not-found', what: 'host' })
      expect(await ask({ address: pciAddress('nowhere') })).toEqual({ kind: 'not-found', what: 'device' })
      expect(await ask({ verb: 'release' })).toMatchObject({ kind: 'wrong-state' })
      await commit(store(), placementOf(1, { devices: [gpu(1)] }))
      expect(await ask({})).toEqual({
        kind: 'wrong-state',
        message: `Device ${gpu(1)} belongs to instance web-1 of project shop: stop or delete it first.`,
      })
      expect(await ask({ verb: 'quarantine' })).toMatchObject({ kind: 'accepted' })
      await observe(1, { state: DeviceState.IN_USE, reason: 'QUARANTINE_ASKED', generation: 1 })
      expect(await ask({ verb: 'release' })).toMatchObject({ kind: 'accepted' })
      await observe(1, { state: DeviceState.IN_USE, generation: 2 })
      expect((await find(1))?.lastCommand).toMatchObject({ verb: 'release', status: 'DONE' })
      await ask({ verb: 'quarantine' })
      await observe(2, { unscrubbedProject: 'lab' })
      expect(await ask({ address: gpu(2), verb: 'release' })).toMatchObject({ kind: 'accepted' })
      await store().fenceHost({ hostId: host, requestId: 'fence', nowMs: 1 })
      expect(await ask({})).toMatchObject({ kind: 'wrong-state' })
      expect((await find(1))?.lastCommand).toMatchObject({ error: { reason: 'HOST_FENCED' } })
    })

    it('are asked once under one key', async () => {
      const idempotency = keyOf({ project: projectId('') })
      await ask({ idempotency })
      expect(await ask({ idempotency })).toMatchObject({ kind: 'accepted' })
      expect(await readOutbox(store())).toHaveLength(1)
      const other = keyOf({ project: projectId(''), requestHash: 'hash-2' })
      expect(await ask({ idempotency: other, address: gpu(2) })).toEqual({ kind: 'other-request' })
    })

    it('on their way to or from a guest are not trusted under another journal', async () => {
      await observe(1, { state: DeviceState.IN_USE })
      await observe(2, quarantined)
      await store().registerHost(hostOf({ journalUuid: 'journal-2' }))
      const states = ((await store().listDevices(host)) ?? []).map(({ state, reason }) => [state, reason])
      expect(states.slice(0, 3)).toEqual([
        ['QUARANTINED', 'JOURNAL_CHANGED'],
        ['QUARANTINED', 'RESET_FAILED'],
        ['FREE', ''],
      ])
      await observe(1, {}, 2)
      expect(await find(1)).toMatchObject({ state: 'FREE' })
    })
  })
}

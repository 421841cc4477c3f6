import { describe, expect, it } from 'vitest'
import { DesiredState, InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { hostId } from '../../proto/ids.ts'
import { type OpenStore, storeWithHost } from './store-opening.ts'
import {
  absent,
  addressOf,
  commit,
  deleteOf,
  gpu,
  host,
  hostOf,
  observationOf,
  otherProject,
  placementOf,
  project,
  readHost,
  readOutbox,
  type Seen,
  uidOf,
} from './store-values.ts'

export function describeInstanceContract(name: string, open: OpenStore): void {
  describe(`${name}: reading instances`, () => {
    const store = storeWithHost(open)

    it('finds by id and by uid, in its project alone', async () => {
      const instance = await commit(store(), placementOf(1))
      expect(await store().findInstance(project, 'web-1')).toEqual(instance)
      expect(await store().findInstance(project, instance.uid)).toEqual(instance)
      expect(await store().findInstance(otherProject, instance.uid)).toBeUndefined()
      expect(await store().findInstance(project, 'web-2')).toBeUndefined()
    })

    it('lists page after page in the order of making', async () => {
      for (const number of [3, 1, 4, 2]) await commit(store(), placementOf(number))
      await commit(store(), placementOf(5, { project: otherProject }))
      const first = await store().listInstances({ project, limit: 3 })
      expect(first.map(({ uid }) => uid)).toEqual([1, 2, 3].map(uidOf))
      const rest = await store().listInstances({ project, afterUid: uidOf(3), limit: 3 })
      expect(rest.map(({ uid }) => uid)).toEqual([uidOf(4)])
    })

    it('sees what was written just before it', async () => {
      const [, found, listed] = await Promise.all([
        store().commitPlacement(placementOf(1)),
        store().findInstance(project, 'web-1'),
        store().listInstancesOnHost(host),
      ])
      expect(found?.uid).toBe(uidOf(1))
      expect(listed.map(({ uid }) => uid)).toEqual([uidOf(1)])
    })

    it('lists what has lasted since before a moment', async () => {
      await commit(store(), placementOf(1, { nowMs: 100 }))
      await commit(store(), placementOf(2, { nowMs: 200 }))
      await commit(store(), placementOf(3, { nowMs: 100 }))
      await store().applyObservation(observationOf(uidOf(3), { phase: InstancePhase.RUNNING }))
      const lasting = async (statuses: string[], beforeMs: number) =>
        (await store().listInStatusSince({ statuses, beforeMs })).map(({ uid }) => uid)
      expect(await lasting(['PROVISIONING'], 200)).toEqual([uidOf(1)])
      expect(await lasting(['PROVISIONING', 'RUNNING'], 4000)).toEqual([1, 2, 3].map(uidOf))
      expect(await lasting(['FAILED'], 4000)).toEqual([])
    })

    it('replaces a sentence only at the revision that was seen', async () => {
      const { uid, revision } = await commit(store(), placementOf(1))
      const change = { uid, reason: 'OVERDUE', nowMs: 5000 }
      await store().setStatusMessage({ ...change, revision, message: 'Waits.' })
      await store().setStatusMessage({ ...change, revision, message: 'Too late.' })
      expect(await store().findInstance(project, uid)).toMatchObject({
        ...{ statusMessage: 'Waits.', reason: 'OVERDUE', revision: revision + 1, updatedAtMs: 5000 },
        ...{ status: 'PROVISIONING', statusSinceMs: 2000 },
      })
    })
  })

  describe(`${name}: deleting`, () => {
    const store = storeWithHost(open)

    it('asks the host and gives nothing back yet', async () => {
      const { uid } = await commit(store(), placementOf(1, { devices: [gpu(1)] }))
      const outcome = await store().requestDelete(deleteOf('web-1', { ifRevision: 1 }))
      expect(outcome).toMatchObject({
        kind: 'accepted',
        instance: {
          ...{ uid, status: 'DEPROVISIONING', desiredState: DesiredState.ABSENT, generation: 2 },
          ...{ revision: 2, released: false, statusSinceMs: 4000 },
        },
      })
      const [, command] = await readOutbox(store())
      expect(command).toMatchObject({ sequence: 2n, generation: 2, commandId: 'delete-web-1' })
      expect(command?.body).toMatchObject({ value: { desiredState: DesiredState.ABSENT } })
      expect(command?.body.value?.spec).toBeUndefined()
      expect(await readHost(store())).toMatchObject({ vcpus: { used: 1 } })
      expect(await store().listEvents(uid)).toMatchObject([
        {},
        { from: 'PROVISIONING', to: 'DEPROVISIONING', reason: 'DELETE_REQUESTED' },
      ])
    })

    it('twice is once', async () => {
      await commit(store(), placementOf(1))
      const [first, second] = await Promise.all([
        store().requestDelete(deleteOf('web-1')),
        store().requestDelete(deleteOf(uidOf(1), { nowMs: 9000 })),
      ])
      expect(second).toEqual(first)
      expect(await readOutbox(store())).toHaveLength(2)
      expect(await store().listEvents(uidOf(1))).toHaveLength(2)
    })

    it('refuses at another revision, and what is not there', async () => {
      await commit(store(), placementOf(1))
      const mismatch = await store().requestDelete(deleteOf('web-1', { ifRevision: 9 }))
      expect(mismatch).toEqual({ kind: 'revision-mismatch', revision: 1 })
      const missing = { kind: 'not-found' }
      expect(await store().requestDelete(deleteOf('web-2'))).toEqual(missing)
      expect(await store().requestDelete(deleteOf('web-1', { project: otherProject }))).toEqual(missing)
      expect(await readOutbox(store())).toHaveLength(1)
    })

    it('ends with proof: the row is gone, its events stay, its name is free', async () => {
      const { uid } = await commit(store(), placementOf(1, { devices: [gpu(1)], addresses: [addressOf(1)] }))
      await store().requestDelete(deleteOf(uid))
      expect(await store().applyObservation(observationOf(uid, absent))).toEqual({ kind: 'removed', uid })
      expect(await store().findInstance(project, uid)).toBeUndefined()
      expect(await store().listInstancesOnHost(host)).toEqual([])
      expect((await store().listEvents(uid)).at(-1)).toMatchObject({ from: 'DEPROVISIONING', to: null })
      expect(await readHost(store())).toMatchObject({
        ...{ vcpus: { used: 0 }, memoryMib: { used: 0 }, diskGb: { used: 0 } },
      })
      expect(await store().applyObservation(observationOf(uid, absent))).toMatchObject({ kind: 'unknown' })
      await commit(store(), placementOf(2, { id: 'web-1', devices: [gpu(1)], addresses: [addressOf(1)] }))
    })

    it.each([
      ['absent without proof', { ...absent, released: false }],
      ['failed, with proof', { ...absent, phase: InstancePhase.FAILED }],
      ['running', { phase: InstancePhase.RUNNING, generation: 2 }],
      ['stopped', { phase: InstancePhase.STOPPED, generation: 2 }],
      ['being removed', { phase: InstancePhase.REMOVING, generation: 2 }],
    ] satisfies [string, Seen][])('goes on when the host says %s', async (_, seen) => {
      const { uid } = await commit(store(), placementOf(1))
      await store().requestDelete(deleteOf(uid))
      await store().applyObservation(observationOf(uid, seen))
      expect(await store().findInstance(project, uid)).toMatchObject({ status: 'DEPROVISIONING' })
      expect(await store().applyObservation(observationOf(uid, absent))).toEqual({ kind: 'removed', uid })
      expect(await readHost(store())).toMatchObject({ vcpus: { used: 0 } })
    })
  })

  describe(`${name}: observations`, () => {
    const store = storeWithHost(open)

    it('move an instance and write an event for each move', async () => {
      const { uid } = await commit(store(), placementOf(1))
      for (const phase of [InstancePhase.STAGING, InstancePhase.RUNNING, InstancePhase.STOPPED]) {
        expect(await store().applyObservation(observationOf(uid, { phase }))).toMatchObject({
          kind: 'applied',
        })
      }
      const events = await store().listEvents(uid)
      expect(events.map(({ to }) => to)).toEqual(['PROVISIONING', 'STAGING', 'RUNNING', 'STOPPED'])
      const sequences = events.map(({ sequence }) => sequence)
      expect(sequences).toEqual(sequences.toSorted((a, b) => a - b))
      expect(await store().findInstance(project, uid)).toMatchObject({
        ...{ status: 'STOPPED', statusSinceMs: 3000, released: false, revision: 4 },
      })
      // A guest that ended keeps what it has: only proof gives it back.
      expect(await readHost(store())).toMatchObject({ vcpus: { used: 1 } })
    })

    it('change the sentence of a status that lasts, without an event', async () => {
      const { uid } = await commit(store(), placementOf(1))
      const staging = (message: string) => observationOf(uid, { phase: InstancePhase.STAGING, message })
      await store().applyObservation(staging('Image: 10 %.'))
      expect(await store().applyObservation(staging('Image: 20 %.'))).toMatchObject({
        ...{ kind: 'applied', instance: { status: 'STAGING', statusMessage: 'Image: 20 %.' } },
      })
      expect(await store().applyObservation(staging('Image: 20 %.'))).toEqual({ kind: 'unchanged' })
      expect(await store().listEvents(uid)).toHaveLength(2)
    })

    it('of an older epoch or generation, or of an impossible move, are stale', async () => {
      await store().registerHost(hostOf({ journalUuid: 'journal-2' }))
      const { uid } = await commit(store(), placementOf(1))
      const see = (seen: Seen) => store().applyObservation(observationOf(uid, { epoch: 2, ...seen }))
      const running = { phase: InstancePhase.RUNNING }
      expect(await see({ ...running, epoch: 1 })).toMatchObject({ kind: 'stale' })
      await see({ phase: InstancePhase.FAILED })
      expect(await see(running)).toMatchObject({ kind: 'stale' })
      await store().requestDelete(deleteOf(uid))
      expect(await see({ ...absent, generation: 1 })).toMatchObject({ kind: 'stale' })
      expect(await store().findInstance(project, uid)).toMatchObject({ status: 'DEPROVISIONING' })
    })

    it('of another host or of an unknown instance change nothing', async () => {
      const { uid } = await commit(store(), placementOf(1))
      const seen = observationOf(uid, { phase: InstancePhase.FAILED, released: true })
      expect(await store().applyObservation({ ...seen, hostId: hostId('host-2') })).toMatchObject({
        kind: 'unknown',
      })
      expect(await store().applyObservation(observationOf(uidOf(2), absent))).toMatchObject({
        kind: 'unknown',
      })
      expect(await readHost(store())).toMatchObject({ vcpus: { used: 1 } })
    })

    it('of a failure free the claims once, and only with proof', async () => {
      const { uid } = await commit(store(), placementOf(1, { devices: [gpu(1)] }))
      const failed = (released: boolean) =>
        store().applyObservation(observationOf(uid, { phase: InstancePhase.FAILED, released }))
      await failed(false)
      expect(await readHost(store())).toMatchObject({ vcpus: { used: 1 } })
      expect((await store().listInstancesOnHost(host)).map((instance) => instance.uid)).toEqual([uid])
      expect(await failed(true)).toMatchObject({ kind: 'applied', instance: { released: true } })
      expect(await failed(true)).toEqual({ kind: 'unchanged' })
      expect(await failed(false)).toEqual({ kind: 'unchanged' })
      expect(await readHost(store())).toMatchObject({ vcpus: { used: 0 } })
      expect(await store().listInstancesOnHost(host)).toEqual([])
      // What was given back belongs to the next, whatever becomes of the first.
      const next = await commit(store(), placementOf(2, { devices: [gpu(1)] }))
      await store().requestDelete(deleteOf(uid))
      await store().applyObservation(observationOf(uid, absent))
      const { vcpus, devices } = await readHost(store())
      expect([vcpus.used, devices[0]?.claimedBy]).toEqual([1, next.uid])
    })

    it('never bring a guest back onto claims that were given back', async () => {
      const { uid } = await commit(store(), placementOf(1, { devices: [gpu(1)] }))
      await store().applyObservation(observationOf(uid, { phase: InstancePhase.RUNNING, released: true }))
      expect((await readHost(store())).devices[0]).toMatchObject({ claimedBy: uid })
      await store().applyObservation(observationOf(uid, { phase: InstancePhase.STOPPED, released: true }))
      expect((await readHost(store())).devices[0]).not.toHaveProperty('claimedBy')
      const back = await store().applyObservation(observationOf(uid, { phase: InstancePhase.RUNNING }))
      expect(back).toMatchObject({ kind: 'stale' })
    })
  })
}

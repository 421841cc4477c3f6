import { describe, expect, it } from 'vitest'
import { DesiredState, InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { hostId } from '../../proto/ids.ts'
import type { InstanceDetails } from '../../scheduler/model/instance.ts'
import { type OpenStore, storeWithHost } from './store-opening.ts'
import {
  absent,
  addressOf,
  changeOf,
  commit,
  deleteOf,
  gpu,
  host,
  hostOf,
  keyOf,
  observationOf,
  operationIdOf,
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
      const rest = await store().listInstances({ project, after: { value: 2000, uid: uidOf(3) }, limit: 3 })
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
      const outcome = await store().changeInstance(deleteOf('web-1', { ifRevision: 1 }))
      expect(outcome).toMatchObject({
        kind: 'accepted',
        instance: {
          ...{ uid, status: 'DEPROVISIONING', desiredState: DesiredState.ABSENT, generation: 2 },
          ...{ revision: 2, holds: 'everything', statusSinceMs: 4000 },
        },
      })
      const [, command] = await readOutbox(store())
      expect(command).toMatchObject({ sequence: 2n, generation: 2, commandId: 'delete-web-1' })
      expect(command?.body).toMatchObject({ value: { desiredState: DesiredState.ABSENT } })
      expect(command?.body).not.toHaveProperty('value.spec')
      expect(await readHost(store())).toMatchObject({ vcpus: { used: 1 } })
      expect(await store().listEvents(uid)).toMatchObject([
        {},
        { from: 'PROVISIONING', to: 'DEPROVISIONING', reason: 'DELETE_REQUESTED' },
      ])
    })

    it('twice is once', async () => {
      await commit(store(), placementOf(1))
      const [first, second] = await Promise.all([
        store().changeInstance(deleteOf('web-1')),
        store().changeInstance(deleteOf(uidOf(1), { nowMs: 9000 })),
      ])
      if (first.kind !== 'accepted' || second.kind !== 'accepted') throw new Error('Not accepted.')
      const { operationId } = second.instance
      expect(second.instance).toEqual({ ...first.instance, operationId })
      expect(await readOutbox(store())).toHaveLength(2)
      expect(await store().listEvents(uidOf(1))).toHaveLength(2)
    })

    it('refuses at another revision, and what is not there', async () => {
      await commit(store(), placementOf(1))
      const mismatch = await store().changeInstance(deleteOf('web-1', { ifRevision: 9 }))
      expect(mismatch).toEqual({ kind: 'revision-mismatch', revision: 1 })
      const missing = { kind: 'not-found' }
      expect(await store().changeInstance(deleteOf('web-2'))).toEqual(missing)
      expect(await store().changeInstance(deleteOf('web-1', { project: otherProject }))).toEqual(missing)
      expect(await readOutbox(store())).toHaveLength(1)
    })

    it('ends with proof: the row is gone, its events stay, its name is free', async () => {
      const { uid } = await commit(store(), placementOf(1, { devices: [gpu(1)], addresses: [addressOf(1)] }))
      await store().changeInstance(deleteOf(uid))
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
      await store().changeInstance(deleteOf(uid))
      await store().applyObservation(observationOf(uid, seen))
      expect(await store().findInstance(project, uid)).toMatchObject({ status: 'DEPROVISIONING' })
      expect(await store().applyObservation(observationOf(uid, absent))).toEqual({ kind: 'removed', uid })
      expect(await readHost(store())).toMatchObject({ vcpus: { used: 0 } })
    })
  })

  describe(`${name}: verbs`, () => {
    const store = storeWithHost(open, { vcpus: 2 })
    const see = (uid: string, seen: Seen) => store().applyObservation(observationOf(uid, seen))
    const bringUp = async (number: number) => {
      const { uid } = await commit(store(), placementOf(number, { devices: [gpu(number)] }))
      await see(uid, { phase: InstancePhase.RUNNING })
      return uid
    }
    const bringDown = async (uid: string) => {
      await store().changeInstance(changeOf('stop', uid))
      await see(uid, { phase: InstancePhase.STOPPED, generation: 2, released: true })
    }
    const operationOf = async (number: number) =>
      store().findOperation(
        project,
        (await store().listOperations({ project, limit: 9 })).at(number)?.id ?? operationIdOf(0),
      )

    it('a stop gives back CPU, memory and GPUs with proof, and keeps disks and address', async () => {
      const uid = await bringUp(1)
      const stopping = await store().changeInstance(changeOf('stop', uid))
      expect(stopping).toMatchObject({
        instance: {
          status: 'STOPPING',
          desiredState: DesiredState.STOPPED,
          generation: 2,
          startGeneration: 1,
        },
      })
      expect(await operationOf(0)).toMatchObject({ verb: 'stop', status: 'RUNNING', generation: 2 })
      await see(uid, { phase: InstancePhase.STOPPED, generation: 2, settled: false })
      expect(await readHost(store())).toMatchObject({ vcpus: { used: 1 } })
      await see(uid, { phase: InstancePhase.STOPPED, generation: 2, released: true })
      const host = await readHost(store())
      expect([host.vcpus.used, host.memoryMib.used, host.diskGb.used]).toEqual([0, 0, 10])
      expect(host.devices[0]).not.toHaveProperty('claimedBy')
      expect(await store().findInstance(project, uid)).toMatchObject({ status: 'STOPPED', holds: 'storage' })
      expect(await operationOf(0)).toMatchObject({ status: 'DONE', endedAtMs: 3000 })
    })

    it('a start takes them again, GPUs as asked, or is lost where they are gone', async () => {
      const uid = await bringUp(1)
      await bringDown(uid)
      const [second, third] = [await bringUp(2), await bringUp(3)]
      const gpus = [{ type: 'gpu-80gb', address: gpu(4) }]
      expect(await store().changeInstance(changeOf('start', uid, { gpus }))).toMatchObject({
        ...{ kind: 'claim-lost', what: 'vcpus' },
      })
      expect(await store().findInstance(project, uid)).toMatchObject({ status: 'STOPPED', generation: 2 })
      await bringDown(third)
      const taken = [{ type: 'gpu-80gb', address: gpu(2) }]
      expect(await store().changeInstance(changeOf('start', uid, { gpus: taken }))).toMatchObject({
        ...{ kind: 'claim-lost', what: 'device' },
      })
      expect(await store().changeInstance(changeOf('start', uid, { gpus }))).toMatchObject({
        kind: 'accepted',
        instance: { status: 'PROVISIONING', holds: 'everything', generation: 3, startGeneration: 3 },
      })
      const host = await readHost(store())
      expect(host.vcpus.used).toBe(2)
      expect(host.devices[3]).toMatchObject({ claimedBy: uid })
      const command = (await readOutbox(store())).at(-1)
      expect(command?.body.value).toMatchObject({
        ...{ desiredState: DesiredState.RUNNING, startGeneration: 3, spec: { gpus } },
      })
      expect(await store().findInstance(project, second)).toMatchObject({ status: 'RUNNING' })
    })

    it('nothing goes beyond the quota, and what is given back counts no longer', async () => {
      await store().setQuotas({ project, limits: { vcpus: 1, instances: 2 } })
      const uid = await bringUp(1)
      const exceeded = { kind: 'quota-exceeded', metric: 'vcpus', limit: 1, used: 1, asked: 1 }
      const before = await readHost(store())
      expect(await store().commitPlacement(placementOf(2))).toEqual(exceeded)
      expect(await readHost(store())).toEqual(before)
      await bringDown(uid)
      await commit(store(), placementOf(2))
      expect(await store().changeInstance(changeOf('start', uid, { gpus: [] }))).toEqual(exceeded)
      await store().setQuotas({ project, limits: { vcpus: null } })
      expect(await store().commitPlacement(placementOf(3))).toMatchObject({
        ...{ kind: 'quota-exceeded', metric: 'instances', limit: 2 },
      })
      expect(await store().listQuotas(project)).toContainEqual({ metric: 'instances', used: 2, limit: 2 })
    })

    it('an end that was not asked for is one: a later change does not start it again', async () => {
      const uid = await bringUp(1)
      await see(uid, { phase: InstancePhase.CRASHED, released: true })
      expect(await store().findInstance(project, uid)).toMatchObject({
        ...{ status: 'STOPPED', holds: 'storage', desiredState: DesiredState.STOPPED },
      })
    })

    it('an operation ends badly where its instance ends elsewhere', async () => {
      const uid = await bringUp(1)
      await store().changeInstance(changeOf('restart', uid))
      const failed = { phase: InstancePhase.STOPPED, generation: 2, released: true, reason: 'START_FAILED' }
      await see(uid, { ...failed, message: 'QEMU did not start.' })
      expect(await operationOf(0)).toMatchObject({
        ...{
          verb: 'restart',
          status: 'DONE',
          error: { reason: 'START_FAILED', message: 'QEMU did not start.' },
        },
      })
      await store().changeInstance(changeOf('start', uid))
      await store().changeInstance(deleteOf(uid))
      await see(uid, { ...absent, generation: 4 })
      expect(await operationOf(0)).toMatchObject({ verb: 'delete', status: 'DONE' })
      expect(await operationOf(0)).not.toHaveProperty('error')
      expect(await operationOf(1)).toMatchObject({ verb: 'start', error: { reason: 'DELETED' } })
    })

    it('an update changes what is shown, and tells the host only what concerns it', async () => {
      const uid = await bringUp(1)
      const before = await store().findInstance(project, uid)
      const details = { ...before?.details, labels: { tier: 'back' } } as InstanceDetails
      const renamed = await store().changeInstance(changeOf('update', uid, { details }))
      expect(renamed).toMatchObject({
        instance: { status: 'RUNNING', generation: 1, details: { labels: { tier: 'back' } } },
      })
      expect(await operationOf(0)).toMatchObject({ verb: 'update', status: 'DONE' })
      const instanceMetadata = [{ key: 'motto', value: 'onwards' }]
      const retold = { ...details, instanceMetadata }
      expect(await store().changeInstance(changeOf('update', uid, { details: retold }))).toMatchObject({
        instance: { generation: 2, startGeneration: 1 },
      })
      expect((await readOutbox(store())).at(-1)?.body).toMatchObject({
        value: { spec: { metadata: instanceMetadata } },
      })
      expect(await operationOf(0)).toMatchObject({ status: 'RUNNING' })
      await see(uid, { phase: InstancePhase.RUNNING, generation: 2 })
      expect(await operationOf(0)).toMatchObject({ status: 'DONE' })
    })

    it('a suspend takes room for the memory, frees the rest with proof, and a resume turns that round', async () => {
      const uid = await bringUp(1)
      const usedNow = async () => {
        const { vcpus, memoryMib, diskGb } = await readHost(store())
        return [vcpus.used, memoryMib.used, diskGb.used]
      }
      const running = await usedNow()
      const [vcpus = 0, memoryMib = 0, diskGb = 0] = running
      await store().changeInstance(changeOf('suspend', uid))
      expect(await usedNow()).toEqual([vcpus, memoryMib, diskGb + 1])
      await see(uid, { phase: InstancePhase.SUSPENDED, generation: 2, released: true })
      expect(await store().findInstance(project, uid)).toMatchObject({
        status: 'SUSPENDED',
        holds: 'storage',
      })
      expect(await operationOf(0)).toMatchObject({ verb: 'suspend', status: 'DONE' })
      expect(await usedNow()).toEqual([0, 0, diskGb + 1])
      expect(await store().changeInstance(changeOf('start', uid))).toMatchObject({ kind: 'wrong-state' })
      await store().changeInstance(changeOf('resume', uid))
      expect(await usedNow()).toEqual([vcpus, memoryMib, diskGb + 1])
      await see(uid, { phase: InstancePhase.RUNNING, generation: 3 })
      expect(await usedNow()).toEqual(running)
    })

    it('a suspend that is given up leaves a guest that runs, and says why', async () => {
      const uid = await bringUp(1)
      const before = (await readHost(store())).diskGb.used
      await store().changeInstance(changeOf('suspend', uid))
      await see(uid, { phase: InstancePhase.RUNNING, generation: 2, reason: 'DISK_FULL' })
      expect(await operationOf(0)).toMatchObject({ verb: 'suspend', error: { reason: 'DISK_FULL' } })
      expect(await store().findInstance(project, uid)).toMatchObject({
        ...{ status: 'RUNNING', desiredState: DesiredState.RUNNING },
      })
      expect((await readHost(store())).diskGb.used).toBe(before)
    })

    it('refuses what its state does not allow, and repeats nothing for a key', async () => {
      const uid = await bringUp(1)
      const idempotency = keyOf({ key: 'stop-1' })
      const [first, second] = [
        await store().changeInstance(changeOf('stop', uid, { idempotency })),
        await store().changeInstance(changeOf('stop', uid, { idempotency })),
      ]
      if (first.kind !== 'accepted') throw new Error(first.kind)
      expect(second).toMatchObject({ kind: 'replay', operationId: first.instance.operationId })
      for (const verb of ['start', 'restart', 'reset'] as const) {
        expect(await store().changeInstance(changeOf(verb, uid))).toMatchObject({ kind: 'wrong-state' })
      }
      expect(await store().listOperations({ project, limit: 9 })).toHaveLength(2)
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
        ...{ status: 'STOPPED', statusSinceMs: 3000, holds: 'everything', revision: 4 },
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
      await store().changeInstance(deleteOf(uid))
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
      expect(await failed(true)).toMatchObject({ kind: 'applied', instance: { holds: 'nothing' } })
      expect(await failed(true)).toEqual({ kind: 'unchanged' })
      expect(await failed(false)).toEqual({ kind: 'unchanged' })
      expect(await readHost(store())).toMatchObject({ vcpus: { used: 0 } })
      expect(await store().listInstancesOnHost(host)).toEqual([])
      // What was given back belongs to the next, whatever becomes of the first.
      const next = await commit(store(), placementOf(2, { devices: [gpu(1)] }))
      await store().changeInstance(deleteOf(uid))
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

// Instances that wait for capacity: theirs is all that a host has no part in, until they get the rest or give up.
import { describe, expect, it } from 'vitest'
import { DesiredState } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { hostId } from '../../proto/ids.ts'
import { maximumWaiting } from '../../scheduler/model/waiting.ts'
import type { EnqueueInstance, PlaceWaiting } from '../../scheduler/store/waiting-store.ts'
import { type OpenStore, storeWithHost } from './store-opening.ts'
import {
  addressOf,
  changeOf,
  commit,
  deleteOf,
  gpu,
  host,
  keyOf,
  otherProject,
  placementOf,
  project,
  readHost,
  readOutbox,
  uidOf,
} from './store-values.ts'

export function describeWaitingContract(name: string, open: OpenStore): void {
  describe(`${name}: those who wait for capacity`, () => {
    const store = storeWithHost(open, { vcpus: 2 })
    const waiting = (number: number, changes: Partial<EnqueueInstance> = {}): EnqueueInstance => {
      const { hostId: _host, devices: _devices, commandId: _command, ...input } = placementOf(number, changes)
      return { ...input, statusMessage: 'Waits.', wish: input.demand, untilMs: 9000, ...changes }
    }
    const placed = (number: number, changes: Partial<PlaceWaiting> = {}): PlaceWaiting => ({
      ...{ uid: uidOf(number), hostId: host, devices: [], statusMessage: 'Placed.', nowMs: 5000 },
      ...{ commandId: `command-${number}`, explanation: { seed: 's', hostsConsidered: 1, refusals: [] } },
      ...changes,
    })
    const quotas = async () =>
      Object.fromEntries((await store().listQuotas(project)).map(({ metric, used }) => [metric, used]))
    const none = { instances: 0, vcpus: 0, memoryMib: 0, disksGb: 0, addresses: 0 }

    it('have their name, addresses and quota, and nothing of any host', async () => {
      const input = waiting(1, { addresses: [addressOf(1)], idempotency: keyOf() })
      const outcome = await store().enqueueInstance(input)
      expect(outcome).toMatchObject({
        kind: 'waiting',
        instance: {
          ...{ status: 'PENDING', reason: 'WAITING_FOR_CAPACITY', hostId: '', holds: 'nothing' },
          details: { nics: [{ ipv4Address: '10.0.0.3' }] },
        },
      })
      expect(await store().findByIdempotencyKey(keyOf())).toMatchObject({ kind: 'replay' })
      expect(await store().enqueueInstance(input)).toMatchObject({ kind: 'replay' })
      expect(await store().enqueueInstance(waiting(2, { id: 'web-1' }))).toMatchObject({ kind: 'name-taken' })
      expect(await readHost(store())).toMatchObject({ vcpus: { used: 0 } })
      expect(await readOutbox(store())).toEqual([])
      expect(await quotas()).toEqual({ instances: 1, vcpus: 1, memoryMib: 1024, disksGb: 10, addresses: 1 })
      expect(await store().listWaiting()).toEqual([
        {
          ...{ uid: uidOf(1), project, demand: input.wish, sinceMs: 2000, untilMs: 9000 },
          requestId: 'create-1',
        },
      ])
      expect(await store().listInstances({ project, limit: 5 })).toMatchObject([{ id: 'web-1', hostId: '' }])
    })

    it('get the rest at once, and their host the command of a create', async () => {
      await store().enqueueInstance(waiting(1, { addresses: [addressOf(1)] }))
      const devices = [{ type: 'gpu-80gb', address: gpu(1) }]
      const outcome = await store().placeWaiting(placed(1, { devices }))
      expect(outcome).toMatchObject({
        kind: 'placed',
        instance: {
          ...{ status: 'PROVISIONING', hostId: host, holds: 'everything', generation: 1, revision: 2 },
          spec: { gpus: devices, nics: [{ ipv4Address: '10.0.0.3' }] },
        },
      })
      expect(await readHost(store())).toMatchObject({ vcpus: { used: 1 }, diskGb: { used: 10 } })
      expect((await readHost(store())).devices[0]).toMatchObject({ claimedBy: uidOf(1) })
      expect(await readOutbox(store())).toMatchObject([
        {
          ...{ commandId: 'command-1', generation: 1, uid: uidOf(1), requestId: 'create-1' },
          body: { case: 'ensureInstance', value: { desiredState: DesiredState.RUNNING, startGeneration: 1 } },
        },
      ])
      expect(await quotas()).toMatchObject({ vcpus: 1, addresses: 1 })
      expect(await store().listWaiting()).toEqual([])
      expect(await store().listEvents(uidOf(1))).toMatchObject([{ to: 'PENDING' }, { to: 'PROVISIONING' }])
      expect(await store().placeWaiting(placed(1))).toEqual({ kind: 'not-waiting' })
    })

    it('wait on where the room has gone to somebody else meanwhile', async () => {
      await store().enqueueInstance(waiting(1))
      await commit(store(), placementOf(2, { demand: { ...waiting(2).demand, vcpus: 2 } }))
      expect(await store().placeWaiting(placed(1))).toMatchObject({ kind: 'claim-lost', what: 'vcpus' })
      expect(await store().listWaiting()).toHaveLength(1)
      expect(await store().findInstance(project, 'web-1')).toMatchObject({ status: 'PENDING', revision: 1 })
    })

    it('are deleted without a host, and give everything back', async () => {
      await store().enqueueInstance(waiting(1, { addresses: [addressOf(1)] }))
      expect(await store().changeInstance(changeOf('stop', 'web-1'))).toMatchObject({ kind: 'wrong-state' })
      expect(await store().changeInstance(changeOf('start', 'web-1'))).toMatchObject({ kind: 'accepted' })
      expect(await store().changeInstance(deleteOf('web-1'))).toMatchObject({ kind: 'accepted' })
      expect(await store().findInstance(project, 'web-1')).toBeUndefined()
      expect([await store().listWaiting(), await quotas()]).toEqual([[], none])
      expect(await store().listOperations({ project, limit: 5 })).toMatchObject([
        { status: 'DONE', verb: 'delete' },
        { status: 'DONE', verb: 'start', error: { reason: 'DELETED' } },
        { status: 'DONE', verb: 'create', error: { reason: 'DELETED' } },
      ])
      expect(await store().placeWaiting(placed(1))).toEqual({ kind: 'not-waiting' })
    })

    it('give up with a reason, keep their name, and can be deleted then', async () => {
      await store().enqueueInstance(waiting(1, { addresses: [addressOf(1)] }))
      const why = { reason: 'CAPACITY_WAIT_OVER', message: 'In vain.', nowMs: 9001 }
      expect(await store().giveUpWaiting({ uid: uidOf(1), ...why })).toMatchObject({
        kind: 'given-up',
        instance: { status: 'FAILED', statusMessage: 'In vain.' },
      })
      expect(await quotas()).toEqual({ ...none, instances: 1 })
      expect(await store().listOperations({ project, limit: 5 })).toMatchObject([
        { status: 'DONE', error: { reason: 'CAPACITY_WAIT_OVER' } },
      ])
      expect(await store().giveUpWaiting({ uid: uidOf(1), ...why })).toEqual({ kind: 'not-waiting' })
      await store().changeInstance(deleteOf('web-1'))
      expect([await store().findInstance(project, 'web-1'), await quotas()]).toEqual([undefined, none])
    })

    it('are told how it stands, and only those who still wait', async () => {
      await store().enqueueInstance(waiting(1))
      await store().enqueueInstance(waiting(2))
      await store().placeWaiting(placed(2))
      const sentences = [1, 2].map((number) => ({ uid: uidOf(number), message: 'First of 2.' }))
      await store().tellWaiting({ sentences, nowMs: 6000 })
      expect(await store().findInstance(project, 'web-1')).toMatchObject({
        ...{ status: 'PENDING', statusMessage: 'First of 2.', revision: 2 },
      })
      expect(await store().findInstance(project, 'web-2')).toMatchObject({ statusMessage: 'Placed.' })
    })

    it('can be changed like others, and are placed as they are then', async () => {
      await store().enqueueInstance(waiting(1))
      const { details } = waiting(1)
      const instanceMetadata = [{ key: 'motto', value: 'later' }]
      await store().changeInstance(changeOf('update', 'web-1', { details: { ...details, instanceMetadata } }))
      await store().placeWaiting(placed(1))
      const [command, ...others] = await readOutbox(store())
      expect(command?.body.value).toMatchObject({ spec: { metadata: instanceMetadata } })
      expect([command?.generation, others]).toEqual([1, []])
    })

    it('are a thousand of a project at most', async () => {
      const many = Array.from({ length: maximumWaiting + 1 }, (_, index) => waiting(index + 1))
      const outcomes = await Promise.all(many.map((input) => store().enqueueInstance(input)))
      expect(outcomes.filter(({ kind }) => kind === 'waiting')).toHaveLength(maximumWaiting)
      expect(outcomes.at(-1)).toEqual({ kind: 'queue-full', maximum: maximumWaiting })
      const other = waiting(maximumWaiting + 2, { project: otherProject })
      expect(await store().enqueueInstance(other)).toMatchObject({ kind: 'waiting' })
    })

    it('need a host that there is', async () => {
      await store().enqueueInstance(waiting(1))
      expect(await store().placeWaiting(placed(1, { hostId: hostId('host-9') }))).toMatchObject({
        ...{ kind: 'claim-lost', what: 'host' },
      })
    })
  })
}

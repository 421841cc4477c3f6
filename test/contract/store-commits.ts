import { describe, expect, it } from 'vitest'
import { DesiredState, InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { ObjectKind } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import { hostId, networkUid, zoneId } from '../../proto/ids.ts'
import { type OpenStore, storeWithHost } from './store-opening.ts'
import {
  absent,
  addressOf,
  commit,
  deleteOf,
  gpu,
  gpus,
  host,
  hostOf,
  keyOf,
  observationOf,
  otherProject,
  placementOf,
  project,
  readHost,
  readOutbox,
  uidOf,
} from './store-values.ts'

export function describeCommitContract(name: string, open: OpenStore): void {
  describe(`${name}: a placement`, () => {
    const store = storeWithHost(open)

    it('is an instance, its claims, an event and a command', async () => {
      const input = placementOf(1, { devices: gpus(2), addresses: [addressOf(1)] })
      const instance = await commit(store(), input)
      expect(instance).toMatchObject({
        ...{ uid: input.uid, id: 'web-1', status: 'PROVISIONING', reason: 'PLACED', generation: 1 },
        ...{ holds: 'everything', revision: 1, desiredState: DesiredState.RUNNING, hostId: host },
        ...{ createdAtMs: 2000, statusSinceMs: 2000, explanation: input.explanation },
      })
      expect(instance.details.nics[0]?.ipv4Address).toBe('10.0.0.3')
      expect(instance.spec.nics[0]?.ipv4Address).toBe('10.0.0.3')
      expect(await store().findInstance(project, 'web-1')).toEqual(instance)
      expect(await readHost(store())).toMatchObject({
        ...{ vcpus: { used: 1 }, memoryMib: { used: 1024 }, diskGb: { used: 10 } },
      })
      expect((await readHost(store())).devices.filter((device) => device.claimedBy)).toHaveLength(2)
      expect(await store().listEvents(input.uid)).toMatchObject([
        { from: null, to: 'PROVISIONING', reason: 'PLACED', requestId: 'create-1' },
      ])
      const [command] = await readOutbox(store())
      expect(command).toMatchObject({
        ...{ sequence: 1n, commandId: 'command-1', epoch: 1, generation: 1, uid: input.uid },
        ...{ kind: ObjectKind.INSTANCE, requestId: 'create-1' },
      })
      expect(command?.body).toMatchObject({
        case: 'ensureInstance',
        value: { desiredState: DesiredState.RUNNING, spec: instance.spec, stopDeadlineMs: 60_000 },
      })
    })

    it('refuses a name that is taken in this project, and only there', async () => {
      await commit(store(), placementOf(1))
      const namesake = await store().commitPlacement(placementOf(2, { id: 'web-1' }))
      expect(namesake).toEqual({ kind: 'name-taken', uid: uidOf(1) })
      await commit(store(), placementOf(3, { id: 'web-1', project: otherProject }))
    })

    it('draws another MAC where chance has drawn one that somebody has', async () => {
      const [first, second] = [addressOf(1), addressOf(2)]
      await commit(store(), placementOf(1, { addresses: [first] }))
      const addresses = [{ ...second, macAddress: first.macAddress }]
      expect(await store().commitPlacement(placementOf(2, { addresses }))).toEqual({ kind: 'mac-taken' })
      expect(await store().findInstance(project, uidOf(2))).toBeUndefined()
      await commit(store(), placementOf(2, { addresses: [second] }))
    })

    it.each([
      ['vcpus', { vcpus: 65 }],
      ['memory', { memoryMib: 65_537 }],
      ['disk', { diskGb: 1001 }],
      ['host', { zone: zoneId('us1-b') }],
    ] as const)('is lost for want of %s', async (what, demand) => {
      const input = placementOf(1)
      const outcome = await store().commitPlacement({ ...input, demand: { ...input.demand, ...demand } })
      expect(outcome).toMatchObject({ kind: 'claim-lost', what })
    })

    it('is lost where the host is not known', async () => {
      const outcome = await store().commitPlacement(placementOf(1, { hostId: hostId('nowhere') }))
      expect(outcome).toMatchObject({ kind: 'claim-lost', what: 'host' })
    })

    it('fits exactly into what is left', async () => {
      const input = placementOf(1)
      const all = { ...input.demand, vcpus: 64, memoryMib: 65_536, diskGb: 1000 }
      await commit(store(), { ...input, demand: all, devices: gpus(8) })
      const host = await readHost(store())
      expect([host.vcpus, host.memoryMib, host.diskGb].map(({ capacity, used }) => capacity - used)).toEqual([
        0, 0, 0,
      ])
    })

    it('leaves nothing behind when its last claim is lost', async () => {
      await commit(store(), placementOf(1, { devices: [gpu(8)], addresses: [addressOf(1)] }))
      const before = [await readHost(store()), await readOutbox(store())]
      const input = placementOf(2, {
        ...{ devices: gpus(8), addresses: [addressOf(2)], idempotency: keyOf() },
      })
      expect(await store().commitPlacement(input)).toMatchObject({ kind: 'claim-lost', what: 'device' })
      expect([await readHost(store()), await readOutbox(store())]).toEqual(before)
      expect(await store().findInstance(project, 'web-2')).toBeUndefined()
      expect(await store().listEvents(uidOf(2))).toEqual([])
      expect(await store().findByIdempotencyKey(keyOf())).toEqual({ kind: 'unused' })
      // Device, name, address and key are all free for the next.
      const again = await commit(store(), { ...input, devices: gpus(7) })
      expect(again.details.nics[0]?.ipv4Address).toBe('10.0.0.4')
    })

    it('that breaks a constraint rejects and takes nobody with it', async () => {
      await commit(store(), placementOf(1))
      // The same uid twice: no outcome, a bug of the caller.
      const outcomes = await Promise.allSettled([
        store().commitPlacement(placementOf(2)),
        store().commitPlacement(placementOf(3, { uid: uidOf(1) })),
        store().commitPlacement(placementOf(4)),
      ])
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
      expect(await readHost(store())).toMatchObject({ vcpus: { used: 3 } })
      expect((await readOutbox(store())).map(({ uid }) => uid)).toEqual([uidOf(1), uidOf(2), uidOf(4)])
    })
  })

  describe(`${name}: addresses`, () => {
    const store = storeWithHost(open)
    const addressesOf = async (number: number, ...claims: ReturnType<typeof addressOf>[]) =>
      (await commit(store(), placementOf(number, { addresses: claims }))).details.nics.map(
        (nic) => nic.ipv4Address,
      )

    it('are the lowest free ones, without reserved, network and broadcast address', async () => {
      expect(await addressesOf(1, addressOf(1))).toEqual(['10.0.0.3'])
      expect(await addressesOf(2, addressOf(2, { requestedIpv4: '10.0.0.5' }))).toEqual(['10.0.0.5'])
      expect(await addressesOf(3, addressOf(3), addressOf(4, { requestedIpv4: '10.0.0.4' }))).toEqual([
        '10.0.0.6',
        '10.0.0.4',
      ])
      const exhausted = await store().commitPlacement(placementOf(4, { addresses: [addressOf(5)] }))
      expect(exhausted).toEqual({ kind: 'addresses-exhausted', nic: 0 })
    })

    it.each([
      ['claimed', '10.0.0.3'],
      ['reserved', '10.0.0.1'],
      ['the network', '10.0.0.0'],
      ['the broadcast address', '10.0.0.7'],
      ['outside the subnet', '10.0.1.3'],
    ])('are refused by name when %s', async (_, requestedIpv4) => {
      await addressesOf(1, addressOf(1))
      const outcome = await store().commitPlacement(
        placementOf(2, { addresses: [addressOf(2), addressOf(3, { requestedIpv4 })] }),
      )
      expect(outcome).toEqual({ kind: 'address-taken', nic: 1, address: requestedIpv4 })
    })

    it('of one network say nothing about those of another', async () => {
      const elsewhere = { networkUid: networkUid('0192f0c1-0000-7000-8000-00000000000b') }
      expect(await addressesOf(1, addressOf(1), addressOf(2, elsewhere))).toEqual(['10.0.0.3', '10.0.0.3'])
    })

    it('are free again after proof of tear-down', async () => {
      await addressesOf(1, addressOf(1))
      await addressesOf(2, addressOf(2))
      await store().changeInstance(deleteOf('web-1'))
      expect(await addressesOf(3, addressOf(3))).toEqual(['10.0.0.5'])
      await store().applyObservation(observationOf(uidOf(1), absent))
      expect(await addressesOf(4, addressOf(1))).toEqual(['10.0.0.3'])
    })
  })

  describe(`${name}: idempotency keys`, () => {
    const store = storeWithHost(open)
    const keyed = (number: number, changes = {}) =>
      placementOf(number, { idempotency: keyOf(changes), id: 'web-1' })

    it('answer the same instance to the same request, and other-request to another', async () => {
      const instance = await commit(store(), keyed(1))
      const { operationId } = instance
      expect(await store().commitPlacement(keyed(2))).toEqual({ kind: 'replay', instance, operationId })
      expect(await store().findByIdempotencyKey(keyOf())).toEqual({ kind: 'replay', instance, operationId })
      const other = { requestHash: 'hash-2' }
      expect(await store().commitPlacement(keyed(3, other))).toEqual({ kind: 'other-request' })
      expect(await store().findByIdempotencyKey(keyOf(other))).toEqual({ kind: 'other-request' })
      expect(await readOutbox(store())).toHaveLength(1)
    })

    it('of others and of other projects are never found', async () => {
      await commit(store(), keyed(1))
      const unused = { kind: 'unused' }
      expect(await store().findByIdempotencyKey(keyOf({ principal: 'otto' }))).toEqual(unused)
      expect(await store().findByIdempotencyKey(keyOf({ project: otherProject }))).toEqual(unused)
      expect(await store().findByIdempotencyKey(keyOf({ key: 'key-2' }))).toEqual(unused)
    })

    it('make one instance of two requests at once', async () => {
      const outcomes = await Promise.all([1, 2, 3].map((number) => store().commitPlacement(keyed(number))))
      expect(outcomes.map(({ kind }) => kind)).toEqual(['committed', 'replay', 'replay'])
      expect(await readHost(store())).toMatchObject({ vcpus: { used: 1 } })
    })

    it('replay what the instance is by then', async () => {
      const { uid } = await commit(store(), keyed(1))
      await store().applyObservation(observationOf(uid, { phase: InstancePhase.RUNNING }))
      expect(await store().commitPlacement(keyed(2))).toMatchObject({ instance: { status: 'RUNNING' } })
    })

    it('outlive the instance by two days: a late repeat makes no other one', async () => {
      const { uid } = await commit(store(), keyed(1))
      await store().changeInstance(deleteOf(uid))
      expect(await store().commitPlacement(keyed(2))).toMatchObject({
        ...{ kind: 'replay', instance: { status: 'DEPROVISIONING' } },
      })
      await store().applyObservation(observationOf(uid, absent))
      const gone = { kind: 'gone', uid }
      expect(await store().findByIdempotencyKey(keyOf())).toEqual(gone)
      expect(await store().commitPlacement(keyed(3))).toEqual(gone)
      const soon = placementOf(4, { idempotency: keyOf({ key: 'other' }), nowMs: 2000 + 47 * 3_600_000 })
      await commit(store(), soon)
      expect(await store().findByIdempotencyKey(keyOf())).toEqual(gone)
      const late = placementOf(5, { idempotency: keyOf({ key: 'third' }), nowMs: 2000 + 49 * 3_600_000 })
      await commit(store(), late)
      expect(await store().findByIdempotencyKey(keyOf())).toEqual({ kind: 'unused' })
    })
  })

  describe(`${name}: many at once`, () => {
    const store = storeWithHost(open, { vcpus: 50 })

    it('take what there is and not one more', async () => {
      const outcomes = await Promise.all(
        Array.from({ length: 200 }, (_, number) => store().commitPlacement(placementOf(number))),
      )
      expect(outcomes.filter(({ kind }) => kind === 'committed')).toHaveLength(50)
      const lost = outcomes.filter(({ kind }) => kind !== 'committed')
      expect(new Set(lost.map((outcome) => outcome.kind === 'claim-lost' && outcome.what))).toEqual(
        new Set(['vcpus']),
      )
      expect(await readHost(store())).toMatchObject({ vcpus: { capacity: 50, used: 50 } })
      const sequences = (await readOutbox(store())).map(({ sequence }) => Number(sequence))
      expect(sequences).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
    })

    it('never get the same device twice', async () => {
      await store().registerHost(hostOf())
      const outcomes = await Promise.all(
        Array.from({ length: 40 }, (_, number) =>
          store().commitPlacement(placementOf(number, { devices: [gpu((number % 8) + 1)] })),
        ),
      )
      expect(outcomes.filter(({ kind }) => kind === 'committed')).toHaveLength(8)
      const owners = (await readHost(store())).devices.map(({ claimedBy }) => claimedBy)
      expect(owners).toEqual(Array.from({ length: 8 }, (_, number) => uidOf(number)))
    })
  })
}

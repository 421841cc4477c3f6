import { create } from '@bufbuild/protobuf'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { InstanceSpecSchema } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { networkUid, type ResourceUid, resourceUid } from '../../proto/ids.ts'
import type { CreateResource, DeclaredResource } from '../../scheduler/store/resource-store.ts'
import type { Store } from '../../scheduler/store/store.ts'
import type { OpenStore } from './store-opening.ts'
import { absent, deleteOf, hostOf, makeZones, observationOf, placementOf } from './store-values.ts'

const uid = (number: number): ResourceUid =>
  resourceUid(`0192f0c1-3333-7000-8000-${number.toString(16).padStart(12, '0')}`)
const scope = 'projects/shop'
const project: CreateResource = {
  uid: uid(1),
  collection: 'projects',
  scope: '',
  id: 'shop',
  body: {},
  nowMs: 1,
}
const networkOf = (number: number, changes: Partial<CreateResource> = {}): CreateResource => ({
  ...{ uid: uid(number), collection: 'networks', scope, id: `net-${number}`, parentUid: uid(1) },
  ...{ body: { mtu: 1500 }, nowMs: 1, ...changes },
})
const subnetOf = (number: number, parentUid: ResourceUid, asked?: string): CreateResource => ({
  ...networkOf(number, { collection: 'subnets', parentUid }),
  taking: {
    ...{ kind: 'cidr', pool: '10.0.0.0/29', prefixLength: 30 },
    ...(asked === undefined ? {} : { asked }),
  },
})

export function describeResourceContract(name: string, open: OpenStore): void {
  describe(`${name}: resources`, () => {
    let store: Store
    beforeEach(async () => {
      store = await open()
      await makeZones(store)
      await store.registerHost(hostOf())
      await store.createResources([project])
    })
    afterEach(() => store.close())
    const made = async (input: CreateResource) => (await store.createResources([input])).kind
    const remove = (number: number) => store.deleteResources([{ uid: uid(number), nowMs: 2 }])

    it('are all made or none', async () => {
      const outcome = await store.createResources([networkOf(2), networkOf(3, { id: 'net-2' })])
      expect(outcome).toEqual({ kind: 'name-taken', id: 'net-2' })
      const { resources } = await store.readResourcesAfter(0)
      expect(resources.flatMap(({ scope: own, id }) => (own === scope ? id : []))).toEqual([])
      expect(await made(networkOf(4, { parentUid: uid(99) }))).toBe('parent-gone')
    })

    it('tell who keeps a copy what came, changed and went', async () => {
      const { change } = await store.readResourcesAfter(0)
      await store.createResources([networkOf(2), networkOf(3)])
      await store.updateResource({ uid: uid(2), patch: { mtu: null, description: 'Mine.' }, nowMs: 5 })
      await remove(3)
      const news = await store.readResourcesAfter(change)
      expect(news.resources).toMatchObject([{ id: 'net-2', body: { description: 'Mine.' }, revision: 2 }])
      expect(news.resources[0]?.body).not.toHaveProperty('mtu')
      expect(news.deleted).toEqual([uid(3)])
      expect(await store.readResourcesAfter(news.change)).toEqual({
        ...{ change: news.change, resources: [], deleted: [] },
      })
    })

    it('stay while an instance uses them, and keep an instance from using what has gone', async () => {
      await store.createResources([networkOf(2)])
      const placed = await store.commitPlacement(placementOf(1, { uses: [uid(1), uid(2), uid(2)] }))
      expect(placed.kind).toBe('committed')
      expect(await remove(2)).toEqual({ kind: 'in-use', by: [{ noun: 'instance', id: 'web-1' }] })
      const gone = await store.commitPlacement(placementOf(2, { uses: [uid(77)] }))
      expect(gone).toEqual({ kind: 'resource-gone' })
      expect((await store.readHostsChangedAfter(0)).hosts[0]?.vcpus.used).toBe(1)
      expect(await store.deleteResources([{ uid: uid(1), nowMs: 2 }])).toMatchObject({ kind: 'in-use' })
    })

    it('stay while their project or their network is used, as is told without a row for each', async () => {
      await store.createResources([networkOf(2), subnetOf(12, uid(2)), networkOf(3), subnetOf(13, uid(3))])
      const placement = placementOf(1, { uses: [uid(1), uid(2), uid(12)] })
      await store.commitPlacement(placement)
      const user = { noun: 'instance', id: 'web-1' }
      expect(await remove(12)).toEqual({ kind: 'in-use', by: [user] })
      expect(await remove(1)).toMatchObject({ by: [user, { noun: 'network' }, { noun: 'network' }] })
      expect(await remove(13)).toEqual({ kind: 'deleted' })
      const late = await store.commitPlacement(placementOf(2, { uses: [uid(1), uid(3), uid(13)] }))
      expect(late).toEqual({ kind: 'resource-gone' })
      await store.changeInstance(deleteOf(placement.uid))
      await store.applyObservation(observationOf(placement.uid, absent))
      expect(await remove(12)).toEqual({ kind: 'deleted' })
    })

    it('know their members, and those that are gone know where they were', async () => {
      await store.createResources([networkOf(2)])
      const network = networkUid(uid(2))
      const placement = placementOf(1, { uses: [uid(2)] })
      const spec = create(InstanceSpecSchema, {
        nics: [{ network: { uid: network }, ipv6Address: 'fd00::2' }],
      })
      const before = await store.readChangePosition()
      await store.commitPlacement({ ...placement, spec: { ...placement.spec, nics: spec.nics } })
      await store.commitPlacement(placementOf(2))
      const members = await store.listNetworkMembers(network)
      const hosts = await store.listNetworkHosts(network)
      expect(hosts).toEqual([placement.hostId])
      const member = { uid: placement.uid, hostId: placement.hostId, hostname: '' }
      expect(members).toEqual([{ ...member, nics: [{ network, addresses: ['fd00::2'] }] }])
      expect(await store.listNetworksOnHost(placement.hostId)).toEqual([network])
      expect(await store.readMembershipsAfter({ after: before, limit: 1 })).toMatchObject({
        changes: [{ kind: 'member', member: { uid: placement.uid } }],
      })
      const after = await store.readChangePosition()
      await store.changeInstance(deleteOf(placement.uid))
      await store.applyObservation(observationOf(placement.uid, absent))
      expect(await store.listNetworkMembers(network)).toEqual([])
      expect(await store.listNetworkHosts(network)).toEqual([])
      expect(await store.listNetworksOnHost(placement.hostId)).toEqual([])
      expect(await store.readChangesAfter({ after, limit: 10 })).toMatchObject({
        changes: [{ kind: 'deleted', uid: placement.uid }],
      })
      expect(await store.readMembershipsAfter({ after, limit: 10 })).toMatchObject({
        changes: [{ kind: 'gone', uid: placement.uid, networks: [network] }],
      })
    })

    it('take VLANs of a pool, each one once', async () => {
      const taking = { kind: 'vlan', pool: { first: 10, last: 11 } } as const
      const outcome = await store.createResources([networkOf(2, { taking }), networkOf(3, { taking })])
      expect(outcome).toMatchObject({ resources: [{ body: { vlan: 10 } }, { body: { vlan: 11 } }] })
      expect(await made(networkOf(4, { taking }))).toBe('vlans-exhausted')
      expect(await made(networkOf(4, { taking: { kind: 'vlan', asked: 11 } }))).toBe('vlan-taken')
      await remove(2)
      expect(await made(networkOf(4, { taking }))).toBe('created')
      expect(await made(networkOf(5, { taking: { kind: 'vlan' } }))).toBe('created')
    })

    it('take ranges that no other of the project overlaps', async () => {
      await store.createResources([2, 3, 4, 5].map((number) => networkOf(number)))
      expect(await store.createResources([subnetOf(12, uid(2))])).toMatchObject({
        ...{ kind: 'created', resources: [{ body: { ipv4Cidr: '10.0.0.0/30' } }] },
      })
      expect(await made(subnetOf(13, uid(3), '10.0.0.4/30'))).toBe('created')
      expect(await made(subnetOf(14, uid(4)))).toBe('cidrs-exhausted')
      expect(await made(subnetOf(14, uid(4), '10.0.0.0/8'))).toBe('cidr-overlaps')
      expect(await made(subnetOf(14, uid(3), '10.1.0.0/30'))).toBe('has-subnet')
    })

    it('reserve addresses that only a NIC which asks for them gets', async () => {
      const network = networkUid(uid(2))
      const range = { networkUid: network, ipv4Cidr: '10.0.0.0/29', reservedIpv4: ['10.0.0.1'] }
      const nicOf = (requestedIpv4?: string) => ({
        ...{ ...range, macAddress: `02:00:00:00:00:0${requestedIpv4?.at(-1) ?? 'a'}` },
        ...(requestedIpv4 === undefined ? {} : { requestedIpv4 }),
      })
      await store.createResources([networkOf(2)])
      const reservation = networkOf(3, {
        ...{ collection: 'addresses', id: 'front', parentUid: uid(2), body: {} },
        taking: { kind: 'address', ...range },
      })
      expect(await store.createResources([reservation])).toMatchObject({
        resources: [{ body: { address: '10.0.0.2' } }],
      })
      const any = await store.commitPlacement(placementOf(1, { addresses: [nicOf()] }))
      expect(any).toMatchObject({ instance: { details: { nics: [{ ipv4Address: '10.0.0.3' }] } } })
      const asked = await store.commitPlacement(placementOf(2, { addresses: [nicOf('10.0.0.2')] }))
      expect(asked.kind).toBe('committed')
      const again = await store.commitPlacement(placementOf(3, { addresses: [nicOf('10.0.0.2')] }))
      expect(again.kind).toBe('address-taken')
      expect(await store.listAddresses(placementOf(1).project)).toMatchObject([
        { id: 'front', user: 'web-2' },
      ])
      expect(await remove(3)).toMatchObject({ kind: 'in-use' })
    })

    it('of the settings file come and go with it, except where they are used', async () => {
      const declared = (id: string, number: number): DeclaredResource => ({
        ...{ uid: uid(number), collection: 'images', scope: '', id, body: { sizeGb: number } },
      })
      const declare = (...resources: DeclaredResource[]) => store.declareResources({ resources, nowMs: 9 })
      await declare(declared('a', 21), declared('b', 22), declared('c', 23))
      const { change } = await store.readResourcesAfter(0)
      await declare(declared('a', 21), declared('b', 22), declared('c', 23))
      expect((await store.readResourcesAfter(0)).change).toBe(change)
      await store.commitPlacement(placementOf(1, { uses: [uid(22)] }))
      await declare({ ...declared('a', 21), body: { sizeGb: 99 } })
      const { resources } = await store.readResourcesAfter(0)
      const images = resources.filter(({ collection }) => collection === 'images')
      expect(images.map(({ id, body, isDeclared }) => [id, body['sizeGb'], isDeclared])).toEqual(
        expect.arrayContaining([
          ['a', 99, true],
          ['b', 22, false],
        ]),
      )
      expect(images).toHaveLength(2)
    })

    it('answer the repeat of a key without doing anything twice', async () => {
      const idempotency = {
        ...{ project: placementOf(1).project, principal: 'alice', key: 'k', requestHash: 'h' },
      }
      const input = networkOf(2, { idempotency })
      await store.createResources([input])
      expect(await store.createResources([{ ...input, uid: uid(3), id: 'other' }])).toMatchObject({
        ...{ kind: 'replay', resource: { uid: uid(2) } },
      })
      const other = { ...idempotency, requestHash: 'x' }
      expect(await made({ ...input, idempotency: other })).toBe('other-request')
      await remove(2)
      expect(await made(input)).toBe('gone')
    })
  })
}

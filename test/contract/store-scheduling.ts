// Who may be beside whom, checked again in the transaction that commits: what placement saw may have changed since.
import { describe, expect, it } from 'vitest'
import { InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { hostId } from '../../proto/ids.ts'
import type { LabelPatch } from '../../scheduler/model/label-patch.ts'
import type { Demand } from '../../scheduler/model/placement.ts'
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
  readHost,
  uidOf,
} from './store-values.ts'

const otherHost = hostId('host-2')
const plain = placementOf(1).demand
const whole = { isolation: 'host' } as const
const apart = { groups: ['shop/db:apart'], antiAffinity: ['shop/db:together', 'shop/db:apart'] }
const together = {
  ...{ groups: ['shop/db:together'], affinity: ['shop/db:together'], antiAffinity: ['shop/db:apart'] },
}
const wanting = (number: number, wish: Partial<Demand>, target = host) =>
  placementOf(number, { demand: { ...plain, ...wish }, hostId: target })

export function describeSchedulingContract(name: string, open: OpenStore): void {
  describe(`${name}: those who share a host`, () => {
    const store = storeWithHost(open)
    const stop = async (number: number) => {
      await store().changeInstance(changeOf('stop', `web-${number}`))
      await store().applyObservation(
        observationOf(uidOf(number), { phase: InstancePhase.STOPPED, generation: 2, released: true }),
      )
    }
    const start = (number: number) => store().changeInstance(changeOf('start', `web-${number}`))

    it('are never two of a group that are to be apart, whoever is committed first', async () => {
      const outcomes = await Promise.all(
        [1, 2].map((number) => store().commitPlacement(wanting(number, apart))),
      )
      expect(outcomes.map(({ kind }) => kind)).toEqual(['committed', 'claim-lost'])
      expect(outcomes[1]).toEqual({
        ...{ kind: 'claim-lost', what: 'anti-affinity' },
        message: 'an instance of db is on the host already',
      })
      expect(await store().findInstance(plain.project ?? placementOf(2).project, 'web-2')).toBeUndefined()
      await store().registerHost(hostOf({ hostId: otherHost }))
      await commit(store(), wanting(2, apart, otherHost))
      await commit(store(), wanting(3, {}))
      expect(await store().commitPlacement(wanting(4, together))).toMatchObject({ what: 'anti-affinity' })
    })

    it('are of one group where the first of them is, or the commit is lost', async () => {
      await store().registerHost(hostOf({ hostId: otherHost }))
      const [first, second] = await Promise.all([
        store().commitPlacement(wanting(1, together)),
        store().commitPlacement(wanting(2, together, otherHost)),
      ])
      expect([first.kind, second]).toMatchObject([
        'committed',
        { what: 'affinity', message: 'the instances of db are on other hosts' },
      ])
      await commit(store(), wanting(2, together))
      expect(await readHost(store())).toMatchObject({
        occupants: [
          { uid: uidOf(1), groups: together.groups },
          { uid: uidOf(2), groups: together.groups },
        ],
      })
    })

    it('are none where one has the host for itself', async () => {
      const outcomes = await Promise.all([
        store().commitPlacement(wanting(1, whole)),
        store().commitPlacement(wanting(2, {})),
        store().commitPlacement(wanting(3, whole)),
      ])
      expect(outcomes).toMatchObject([
        { kind: 'committed' },
        { what: 'isolation', message: 'an instance has the host for itself' },
        { what: 'isolation' },
      ])
      expect(await readHost(store())).toMatchObject({
        ...{ vcpus: { used: 1 }, occupants: [{ uid: uidOf(1), isolation: 'host' }] },
      })
      await store().changeInstance(deleteOf('web-1'))
      await store().applyObservation(observationOf(uidOf(1), absent))
      expect(await readHost(store())).not.toHaveProperty('occupants')
      await commit(store(), wanting(2, {}))
      expect(await store().commitPlacement(wanting(3, whole))).toMatchObject({
        ...{ what: 'isolation', message: 'others are on the host' },
      })
    })

    it('give the host back while they are stopped, and ask for it again with the start', async () => {
      await commit(store(), wanting(1, whole))
      await stop(1)
      await commit(store(), wanting(2, {}))
      expect(await start(1)).toMatchObject({ kind: 'claim-lost', what: 'isolation' })
      await stop(2)
      expect(await start(1)).toMatchObject({ kind: 'accepted' })
      expect(await start(2)).toMatchObject({
        ...{ kind: 'claim-lost', message: 'an instance has the host for itself' },
      })
    })

    it('keep their place in their groups while they are stopped', async () => {
      await commit(store(), wanting(1, { ...apart, expectedLifetimeS: 3600 }))
      expect(await readHost(store())).toMatchObject({
        occupants: [{ groups: apart.groups, expectedEndMs: 3_602_000 }],
      })
      await stop(1)
      expect((await readHost(store())).occupants).toEqual([{ uid: uidOf(1), groups: apart.groups }])
      expect(await store().commitPlacement(wanting(2, apart))).toMatchObject({ what: 'anti-affinity' })
      expect(await start(1)).toMatchObject({ kind: 'accepted' })
      expect(await readHost(store())).toMatchObject({ occupants: [{ expectedEndMs: 3_604_000 }] })
    })

    it('are on hosts that say of themselves what they want, or the commit is lost', async () => {
      const label = (patch: LabelPatch) => store().labelHost({ hostId: host, patch, nowMs: 5 })
      expect(await label({ rack: 'r1', tier: 'x' })).toEqual({
        kind: 'done',
        labels: { rack: 'r1', tier: 'x' },
      })
      const hostLabels = [{ kind: 'in' as const, key: 'rack', values: ['r1'] }]
      await commit(store(), wanting(1, { hostLabels }))
      expect(await label({ rack: 'r2', tier: null })).toEqual({ kind: 'done', labels: { rack: 'r2' } })
      expect(await store().commitPlacement(wanting(2, { hostLabels }))).toEqual({
        ...{ kind: 'claim-lost', what: 'labels', message: 'the labels of the host are others now' },
      })
      await store().registerHost(hostOf({ bootId: 'boot-2' }))
      expect(await readHost(store())).toMatchObject({ labels: { rack: 'r2' } })
      expect(await label(null)).toEqual({ kind: 'done', labels: {} })
      expect(await readHost(store())).not.toHaveProperty('labels')
      const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, 'v']))
      expect(await label(many)).toEqual({ kind: 'too-many' })
      expect(await store().labelHost({ hostId: otherHost, patch: {}, nowMs: 5 })).toEqual({
        kind: 'not-found',
      })
    })

    it('are not remembered for what nobody has asked for', async () => {
      await commit(store(), wanting(1, {}))
      expect(await readHost(store())).not.toHaveProperty('occupants')
    })
  })
}

import { describe, expect, it } from 'vitest'
import { InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { hostId, zoneId } from '../../proto/ids.ts'
import { decodeCommand } from '../../scheduler/model/queued-command.ts'
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
  observationOf,
  placementOf,
  readHost,
  readOutbox,
  uidOf,
} from './store-values.ts'

export function describeHostContract(name: string, open: OpenStore): void {
  describe(`${name}: hosts`, () => {
    const store = storeWithHost(open)

    it('gives epoch 1 at first and the same epoch to the same journal', async () => {
      const again = await store().registerHost(hostOf({ bootId: 'boot-2', agentVersion: '1.1.0' }))
      expect(again).toEqual({ kind: 'registered', epoch: 1, nextCommandSequence: 1 })
      expect(await readHost(store())).toMatchObject({
        ...{ epoch: 1, bootId: 'boot-2', agentVersion: '1.1.0', state: 'ready', architecture: 'x86_64' },
        ...{ vcpus: { capacity: 64, used: 0 }, diskGb: { capacity: 1000, used: 0 } },
        facts: new Uint8Array([1, 2, 3]),
      })
    })

    it('keeps which GPUs NVSwitches join, as long as its agent says so', async () => {
      expect((await readHost(store())).partitions).toBeUndefined()
      const partitions = [[gpu(1), gpu(2)], [gpu(1)]]
      await store().registerHost(hostOf({ partitions }))
      expect((await readHost(store())).partitions).toEqual(partitions)
      await store().registerHost(hostOf({ partitions: [] }))
      expect((await readHost(store())).partitions).toEqual([])
      await store().registerHost(hostOf())
      expect((await readHost(store())).partitions).toBeUndefined()
    })

    it('takes another journal under a new epoch while nothing is placed there', async () => {
      const outcome = await store().registerHost(hostOf({ journalUuid: 'journal-2' }))
      expect(outcome).toMatchObject({ kind: 'registered', epoch: 2 })
    })

    it('refuses another journal while an instance is placed there, and takes it after', async () => {
      const { uid } = await commit(store(), placementOf(1))
      const changed = hostOf({ journalUuid: 'journal-2' })
      expect(await store().registerHost(changed)).toMatchObject({
        kind: 'refused',
        reason: 'JOURNAL_CHANGED',
      })
      expect(await readHost(store())).toMatchObject({ journalUuid: 'journal-1', epoch: 1 })
      await store().changeInstance(deleteOf(uid))
      await store().applyObservation(observationOf(uid, absent))
      expect(await store().registerHost(changed)).toMatchObject({ kind: 'registered', epoch: 2 })
    })

    it('refuses another zone while an instance is placed there', async () => {
      const moved = hostOf({ zone: zoneId('us1-b') })
      expect(await store().registerHost(moved)).toMatchObject({ kind: 'registered', epoch: 1 })
      await store().registerHost(hostOf())
      await commit(store(), placementOf(1))
      expect(await store().registerHost(moved)).toMatchObject({ kind: 'refused', reason: 'ZONE_CHANGED' })
    })

    it('says from which command on the host is to be sent', async () => {
      await commit(store(), placementOf(1))
      await commit(store(), placementOf(2))
      expect(await store().registerHost(hostOf())).toMatchObject({ nextCommandSequence: 1 })
      await store().acknowledgeCommands({ hostId: host, throughSequence: 1 })
      expect(await store().registerHost(hostOf())).toMatchObject({ nextCommandSequence: 2 })
      await store().acknowledgeCommands({ hostId: host, throughSequence: 2 })
      expect(await store().registerHost(hostOf())).toMatchObject({ nextCommandSequence: 3 })
    })

    it('keeps what is claimed when a host reports less than that', async () => {
      await commit(store(), placementOf(1, { devices: [gpu(1)] }))
      await store().registerHost(hostOf({ vcpus: 0, memoryMib: 0, diskGb: 0, devices: [] }))
      const shrunk = await readHost(store())
      expect(shrunk).toMatchObject({
        ...{ vcpus: { capacity: 1, used: 1 }, memoryMib: { capacity: 1024, used: 1024 } },
        diskGb: { capacity: 10, used: 10 },
      })
      expect(shrunk.devices).toHaveLength(8)
      expect(shrunk.devices.every(({ present }) => !present)).toBe(true)
      expect(shrunk.devices[0]).toMatchObject({ address: gpu(1), claimedBy: uidOf(1) })
    })

    it('takes room away that was claimed beyond what it reports, as it is given back', async () => {
      for (const number of [1, 2]) await commit(store(), placementOf(number))
      await store().registerHost(hostOf({ vcpus: 1, memoryMib: 0, diskGb: 500 }))
      expect(await readHost(store())).toMatchObject({ vcpus: { capacity: 2, used: 2 } })
      const gone = { phase: InstancePhase.FAILED, released: true }
      await store().applyObservation(observationOf(uidOf(1), gone))
      expect(await readHost(store())).toMatchObject({
        ...{ vcpus: { capacity: 1, used: 1 }, memoryMib: { capacity: 1024, used: 1024 } },
        diskGb: { capacity: 500, used: 10 },
      })
      await store().applyObservation(observationOf(uidOf(2), gone))
      expect(await readHost(store())).toMatchObject({ memoryMib: { capacity: 0, used: 0 } })
    })

    it('takes another journal where all that is placed there has given back what it held', async () => {
      await commit(store(), placementOf(1))
      await store().applyObservation(observationOf(uidOf(1), { phase: InstancePhase.FAILED, released: true }))
      const changed = hostOf({ journalUuid: 'journal-2' })
      expect(await store().registerHost(changed)).toMatchObject({ kind: 'registered', epoch: 2 })
    })

    it('goes on after the last command that a host remembers from an earlier store', async () => {
      const remembering = hostId('host-9')
      const outcome = await store().registerHost(hostOf({ hostId: remembering, lastCommandSequence: 41 }))
      expect(outcome).toMatchObject({ nextCommandSequence: 42 })
      await commit(store(), placementOf(1, { hostId: remembering }))
      const [command] = await store().readOutbox({ hostId: remembering, fromSequence: 0, limit: 1 })
      expect(command?.sequence).toBe(42)
    })

    it('that is fenced gives up all it held, and is welcome again only empty', async () => {
      const [running, leaving] = [
        await commit(store(), placementOf(1, { devices: [gpu(1)], addresses: [addressOf(1)] })),
        await commit(store(), placementOf(2)),
      ]
      await store().changeInstance(deleteOf(leaving.uid))
      const fence = { hostId: host, requestId: 'fence', nowMs: 9000 }
      expect(await store().fenceHost(fence)).toEqual({ kind: 'fenced', instances: 2 })
      expect(await store().findInstance(running.project, running.uid)).toMatchObject({
        ...{ status: 'FAILED', reason: 'HOST_FENCED', holds: 'nothing' },
      })
      expect(await store().findInstance(leaving.project, leaving.uid)).toBeUndefined()
      const after = await readHost(store())
      expect([after.state, after.vcpus.used, after.diskGb.used]).toEqual(['fenced', 0, 0])
      expect(after.devices[0]).not.toHaveProperty('claimedBy')
      expect(await readOutbox(store())).toEqual([])
      expect(await store().commitPlacement(placementOf(3))).toMatchObject({
        kind: 'claim-lost',
        what: 'host',
      })
      // Its old word counts no longer, whoever brings it.
      expect(await store().registerHost(hostOf())).toMatchObject({ kind: 'refused', reason: 'HOST_FENCED' })
      await store().applyObservation(observationOf(running.uid, { phase: InstancePhase.RUNNING }))
      expect(await store().findInstance(running.project, running.uid)).toMatchObject({ status: 'FAILED' })
      expect(await store().setHostState({ hostId: host, state: 'ready', nowMs: 1 })).toEqual({
        kind: 'fenced',
      })
      // Nobody is left who could answer: its owner has it gone at once, and nothing waits for the host.
      expect(await store().changeInstance(deleteOf(running.uid))).toMatchObject({ kind: 'accepted' })
      expect(await store().findInstance(running.project, running.uid)).toBeUndefined()
      expect(await readOutbox(store())).toEqual([])
      const empty = hostOf({ journalUuid: 'journal-2' })
      expect(await store().registerHost(empty)).toMatchObject({ kind: 'registered', epoch: 2 })
      expect(await readHost(store())).toMatchObject({ state: 'cordoned' })
      await store().setHostState({ hostId: host, state: 'ready', nowMs: 1 })
      await commit(store(), placementOf(4, { devices: [gpu(1)] }))
      expect(await store().fenceHost({ ...fence, hostId: hostId('none') })).toEqual({ kind: 'not-found' })
    })

    it('adds new devices, and hands out none that has vanished', async () => {
      const devices = [gpu(1), gpu(9)].map((address) => ({ address, pciId: '10de:2330', numaNode: 1 }))
      await store().registerHost(hostOf({ devices }))
      const present = (await readHost(store())).devices.filter((device) => device.present)
      expect(present).toEqual(
        [gpu(1), gpu(9)].map((address) => ({
          ...{ address, numaNode: 1, present: true, acceleratorType: 'gpu-80gb' },
        })),
      )
      const lost = await store().commitPlacement(placementOf(1, { devices: [gpu(2)] }))
      expect(lost).toMatchObject({ kind: 'claim-lost', what: 'device' })
      await commit(store(), placementOf(2, { devices: [gpu(9)] }))
    })

    it('gives back a device that has vanished only with proof of tear-down', async () => {
      const { uid } = await commit(store(), placementOf(1, { devices: [gpu(1)] }))
      await store().registerHost(hostOf({ devices: [] }))
      await store().registerHost(hostOf())
      expect((await readHost(store())).devices[0]).toMatchObject({ present: true, claimedBy: uid })
      await store().changeInstance(deleteOf(uid))
      expect((await readHost(store())).devices[0]).toMatchObject({ claimedBy: uid })
      await store().applyObservation(observationOf(uid, absent))
      expect((await readHost(store())).devices[0]).not.toHaveProperty('claimedBy')
    })

    it('gives the hosts that have changed since a revision, and no other', async () => {
      const { revision } = await store().readHostsChangedAfter(0)
      expect(await store().readHostsChangedAfter(revision)).toEqual({ revision, hosts: [] })
      const second = hostId('host-2')
      await store().registerHost(hostOf({ hostId: second, journalUuid: 'journal-b', devices: [] }))
      const after = await store().readHostsChangedAfter(revision)
      expect(after.hosts.map(({ hostId }) => hostId)).toEqual([second])
      const { uid } = await commit(store(), placementOf(1, { devices: gpus(2) }))
      const claimed = await store().readHostsChangedAfter(after.revision)
      expect(claimed.hosts.map(({ hostId }) => hostId)).toEqual([host])
      await store().applyObservation(observationOf(uid, { phase: InstancePhase.FAILED, released: true }))
      const released = await store().readHostsChangedAfter(claimed.revision)
      expect(released.hosts[0]).toMatchObject({ hostId: host, vcpus: { used: 0 } })
    })
  })

  describe(`${name}: the outbox`, () => {
    const store = storeWithHost(open)

    it('gives commands in order, from a sequence on, as many as asked', async () => {
      for (const number of [1, 2, 3, 4]) await commit(store(), placementOf(number))
      const some = await store().readOutbox({ hostId: host, fromSequence: 2, limit: 2 })
      expect(some.map((command) => [command.sequence, decodeCommand(command).uid])).toEqual([
        [2, uidOf(2)],
        [3, uidOf(3)],
      ])
      expect(await store().readOutbox({ hostId: hostId('other'), fromSequence: 0, limit: 9 })).toEqual([])
    })

    it('knows which hosts have commands', async () => {
      expect(await store().listHostsWithCommands()).toEqual([])
      for (const number of [1, 2]) await commit(store(), placementOf(number))
      expect(await store().listHostsWithCommands()).toEqual([host])
      await store().acknowledgeCommands({ hostId: host, throughSequence: 2 })
      expect(await store().listHostsWithCommands()).toEqual([])
    })

    it('forgets what is acknowledged, and an older acknowledgement takes nothing back', async () => {
      for (const number of [1, 2, 3]) await commit(store(), placementOf(number))
      await store().acknowledgeCommands({ hostId: host, throughSequence: 2 })
      await store().acknowledgeCommands({ hostId: host, throughSequence: 1 })
      expect((await readOutbox(store())).map(({ sequence }) => sequence)).toEqual([3n])
      expect(await store().registerHost(hostOf())).toMatchObject({ nextCommandSequence: 3 })
    })

    it('loses no command to an acknowledgement of what was never sent', async () => {
      await commit(store(), placementOf(1))
      await store().acknowledgeCommands({ hostId: host, throughSequence: 7 })
      expect((await readOutbox(store())).map(({ sequence }) => sequence)).toEqual([1n])
      expect(await store().registerHost(hostOf())).toMatchObject({ nextCommandSequence: 1 })
    })

    it('numbers the commands of each host by itself', async () => {
      const second = hostId('host-2')
      await store().registerHost(hostOf({ hostId: second, journalUuid: 'journal-b' }))
      await commit(store(), placementOf(1))
      await commit(store(), placementOf(2, { hostId: second }))
      await commit(store(), placementOf(3))
      expect((await readOutbox(store())).map(({ sequence }) => sequence)).toEqual([1n, 2n])
      const other = await store().readOutbox({ hostId: second, fromSequence: 0, limit: 9 })
      expect(other.map(({ sequence }) => sequence)).toEqual([1])
    })

    it('sends what still waits under the epoch that the host has by then', async () => {
      const { uid } = await commit(store(), placementOf(1, { addresses: [addressOf(1)] }))
      await store().changeInstance(deleteOf(uid))
      await store().applyObservation(observationOf(uid, absent))
      await store().registerHost(hostOf({ journalUuid: 'journal-2' }))
      expect((await readOutbox(store())).map(({ epoch }) => epoch)).toEqual([2, 2])
    })
  })
}

import { create } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DeviceObservationSchema, DeviceState } from '../../proto/gen/berth/agent/v1/device_pb.ts'
import { DesiredState, GpuSchema, InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import {
  type HostId,
  hostId,
  type InstanceUid,
  type NetworkUid,
  networkUid,
  type ProjectId,
  projectId,
} from '../../proto/ids.ts'
import type { ChangeVerb } from '../../scheduler/lifecycle/verbs.ts'
import { type DeviceVerb, deviceVerbs } from '../../scheduler/model/device.ts'
import type { Store } from '../../scheduler/store/store.ts'
import { type OpenStore, storeWithHost } from './store-opening.ts'
import {
  addressOf,
  changeOf,
  gpu,
  hostOf,
  observationOf,
  placementOf,
  readHost,
  readOutbox,
} from './store-values.ts'

const names = 6
const phases = [
  InstancePhase.STAGING,
  InstancePhase.RUNNING,
  InstancePhase.STOPPING,
  InstancePhase.STOPPED,
  InstancePhase.CRASHED,
  InstancePhase.SUSPENDING,
  InstancePhase.SUSPENDED,
  InstancePhase.REMOVING,
  InstancePhase.FAILED,
  InstancePhase.ABSENT,
]

type Action =
  | { kind: 'create'; name: number; vcpus: number; slots: number[]; cell: number; hasNic: boolean }
  | { kind: 'verb'; name: number; verb: ChangeVerb; slots: number[]; cell: number; motto: string }
  | { kind: 'observe'; name: number; phase: InstancePhase; lag: number; released: boolean; settled: boolean }
  | { kind: 'register'; vcpus: number; slots: number[]; hasCells: boolean }
  | { kind: 'device'; slot: number; state: DeviceState; present: boolean; isUnscrubbed: boolean; lag: number }
  | { kind: 'ask'; slot: number; verb: DeviceVerb }

const deviceStates = [DeviceState.IN_USE, DeviceState.SCRUBBING, DeviceState.QUARANTINED]

const name = fc.integer({ min: 1, max: names })
const slotNumbers = [1, 2, 3, 4] as const
const slots: fc.Arbitrary<number[]> = fc.uniqueArray(fc.constantFrom(...slotNumbers), { maxLength: 2 })
/** -1 for none. */
const cell = fc.constantFrom(-1, 0, 1)
const cells = [0, 1].map((numaNode) => ({ numaNode, vcpus: 4, memoryMib: 3 * 1024 }))
const shareIn = (numaNode: number, vcpus: number) =>
  numaNode === -1 ? {} : { cells: [{ numaNode, vcpus, memoryMib: 1024 }] }
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ kind: fc.constant('create' as const), name, slots },
      ...{ vcpus: fc.integer({ min: 1, max: 4 }), cell, hasNic: fc.boolean() },
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      ...{ kind: fc.constant('verb' as const), name, slots, cell, motto: fc.constantFrom('a', 'b') },
      verb: fc.constantFrom<ChangeVerb>(
        ...(['delete', 'start', 'stop', 'restart', 'reset', 'update', 'suspend', 'resume'] as const),
      ),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      ...{ kind: fc.constant('observe' as const), name, released: fc.boolean() },
      ...{ phase: fc.constantFrom(...phases), lag: fc.constantFrom(0, 0, 1), settled: fc.boolean() },
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      ...{ kind: fc.constant('register' as const), slots },
      ...{ vcpus: fc.integer({ min: 0, max: 8 }), hasCells: fc.constantFrom(true, true, false) },
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      ...{ kind: fc.constant('device' as const), slot: fc.constantFrom(...slotNumbers) },
      state: fc.constantFrom(DeviceState.FREE, DeviceState.FREE, ...deviceStates),
      ...{ present: fc.boolean(), isUnscrubbed: fc.boolean(), lag: fc.constantFrom(0, 0, 1) },
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      ...{ kind: fc.constant('ask' as const), slot: fc.constantFrom(...slotNumbers) },
      verb: fc.constantFrom(...deviceVerbs),
    }),
  },
)

interface Asked {
  readonly vcpus: number
  readonly slots: readonly number[]
}

/** A run has a host, a project and a network of its own: one store serves all runs. */
interface Run {
  readonly store: Store
  readonly hostId: HostId
  readonly project: ProjectId
  readonly networkUid: NetworkUid
  readonly nextNumber: () => number
  readonly asked: Map<InstanceUid, Asked>
}

/** Bursts go to the store at once, so that they meet in one transaction. */
export function describeModelContract(title: string, open: OpenStore): void {
  describe(`${title}: whatever happens`, () => {
    const store = storeWithHost(open)

    it('claims add up, nothing has two owners and no command is missing', async () => {
      let runs = 0
      let instances = 0
      const nextNumber = () => {
        instances += 1
        return instances
      }
      const bursts = fc.array(fc.array(action, { minLength: 1, maxLength: 8 }), { maxLength: 10 })
      await fc.assert(
        fc.asyncProperty(bursts, async (sequence) => {
          runs += 1
          const run: Run = {
            store: store(),
            hostId: hostId(`host-of-run-${runs}`),
            project: projectId(`project-${runs}`),
            networkUid: networkUid(`network-${runs}`),
            nextNumber,
            asked: new Map(),
          }
          await run.store.registerHost(hostOf({ hostId: run.hostId, vcpus: 8, cells }))
          for (const burst of sequence) {
            await Promise.all(burst.map((step) => carryOut(run, step)))
            await expectInvariants(run)
          }
        }),
        { numRuns: 60 },
      )
    })
  })
}

async function carryOut(run: Run, step: Action): Promise<void> {
  const { store, hostId, project, networkUid } = run
  switch (step.kind) {
    case 'create': {
      const number = run.nextNumber()
      const { uid, demand, spec } = placementOf(number)
      spec.gpus = step.slots.map((slot) => create(GpuSchema, { type: 'gpu-80gb', address: gpu(slot) }))
      run.asked.set(uid, { vcpus: step.vcpus, slots: step.slots })
      const nic = addressOf(0, { macAddress: `mac-${number}`, networkUid })
      await store.commitPlacement(
        placementOf(number, {
          ...{ hostId, project, id: `web-${step.name}`, spec, devices: step.slots.map(gpu) },
          demand: { ...demand, vcpus: step.vcpus, ...shareIn(step.cell, step.vcpus) },
          addresses: step.hasNic ? [nic] : [],
        }),
      )
      return
    }
    case 'verb':
      await carryOutVerb(run, step)
      return
    case 'observe': {
      const instance = await store.findInstance(project, `web-${step.name}`)
      if (!instance) return
      const generation = instance.generation - step.lag
      await store.applyObservation({ ...observationOf(instance.uid, { ...step, generation }), hostId })
      return
    }
    case 'register': {
      const devices = step.slots.map((slot) => ({ address: gpu(slot), pciId: '10de:2330', numaNode: 0 }))
      const own = step.hasCells ? { cells } : {}
      await store.registerHost(hostOf({ hostId, vcpus: step.vcpus, devices, ...own }))
      return
    }
    case 'device': {
      const { slot, state, present, isUnscrubbed, lag } = step
      const asks = (await readOutbox(store, hostId)).filter(({ uid }) => uid === gpu(slot))
      const generation = Math.max(0, (asks.at(-1)?.generation ?? 0) - lag)
      const unscrubbedProject = isUnscrubbed ? 'another' : ''
      await store.applyDeviceObservation({
        ...{ hostId, epoch: 1, nowMs: 3000 },
        observation: create(DeviceObservationSchema, {
          ...{ address: gpu(slot), state, present, generation, unscrubbedProject },
        }),
      })
      return
    }
    case 'ask': {
      const address = gpu(step.slot)
      await store.changeDevice({
        ...{ hostId, address, verb: step.verb, commandId: 'c', requestId: 'r', nowMs: 3000 },
      })
    }
  }
}

async function carryOutVerb({ store, project, asked }: Run, step: Action & { kind: 'verb' }) {
  const { verb, slots, cell: numaNode, motto } = step
  const id = `web-${step.name}`
  const instance = await store.findInstance(project, id)
  if (!instance) return
  const outcome = await store.changeInstance(
    changeOf(verb, id, {
      project,
      gpus: slots.map((slot) => ({ type: 'gpu-80gb', address: gpu(slot) })),
      ...shareIn(numaNode, instance.demand.vcpus),
      ...(verb === 'update'
        ? { details: { ...instance.details, instanceMetadata: [{ key: 'motto', value: motto }] } }
        : {}),
    }),
  )
  if (outcome.kind !== 'accepted' || (verb !== 'start' && verb !== 'resume')) return
  // Whether it was a start from storage is known only now: what was read before may have been overtaken. The host has been
  // told which devices it gets, and those have to be claimed.
  const { uid, spec } = outcome.instance
  const given = slotNumbers.filter((slot) => spec.gpus.some(({ address }) => address === gpu(slot)))
  asked.set(uid, { vcpus: asked.get(uid)?.vcpus ?? 0, slots: given })
}

async function expectInvariants({ store, hostId, project, asked }: Run): Promise<void> {
  const [host, instances, outbox] = await Promise.all([
    readHost(store, hostId),
    store.listInstances({ project, limit: 500 }),
    readOutbox(store, hostId),
  ])
  const holders = instances.filter(({ holds }) => holds !== 'nothing')
  const runners = instances.filter(({ holds }) => holds === 'everything')
  const askedBy = (uid: InstanceUid): Asked => asked.get(uid) ?? { vcpus: 0, slots: [] }
  expect(host.vcpus.used).toBe(runners.reduce((sum, { uid }) => sum + askedBy(uid).vcpus, 0))
  expect(host.vcpus.used).toBeLessThanOrEqual(host.vcpus.capacity)
  expect(host.memoryMib.used).toBe(runners.length * 1024)
  const memoriesGb = holders.reduce((sum, { demand }) => sum + (demand.suspendedGb ?? 0), 0)
  expect(host.diskGb.used).toBe(holders.length * 10 + memoriesGb)

  for (const { numaNode, vcpus, memoryMib } of host.cells ?? []) {
    const shares = runners.flatMap(({ demand }) => demand.cells ?? [])
    const own = shares.filter((share) => share.numaNode === numaNode)
    expect(vcpus.used).toBe(own.reduce((sum, share) => sum + share.vcpus, 0))
    expect(memoryMib.used).toBe(own.length * 1024)
  }

  const owned = runners.flatMap(({ uid }) => askedBy(uid).slots.map((slot) => [gpu(slot), uid]))
  const claimed = host.devices.flatMap(({ address, claimedBy }) =>
    claimedBy === undefined ? [] : [[address, claimedBy]],
  )
  expect(claimed).toEqual(owned.toSorted())

  const quotas = new Map((await store.listQuotas(project)).map(({ metric, used }) => [metric, used]))
  expect(Object.fromEntries(quotas)).toEqual({
    instances: instances.length,
    vcpus: host.vcpus.used,
    memoryMib: host.memoryMib.used,
    disksGb: holders.length * 10,
    addresses: holders.reduce((sum, { details }) => sum + details.nics.length, 0),
  })

  const addresses = holders.flatMap(({ details }) => details.nics.map((nic) => nic.ipv4Address))
  expect(new Set(addresses).size).toBe(addresses.length)
  // A guest that may run holds what it was given. A suspended one that is stopped only gives its memory up.
  for (const { status, holds, desiredState } of instances) {
    if (holds === 'everything') continue
    const givesUpMemory = status === 'STOPPING' && desiredState === DesiredState.STOPPED
    if (!givesUpMemory) expect(['STOPPED', 'SUSPENDED', 'FAILED', 'DEPROVISIONING']).toContain(status)
  }
  expect(outbox.map(({ sequence }) => Number(sequence))).toEqual(outbox.map((_, index) => index + 1))
  for (const uid of asked.keys()) {
    const last = (await store.listEvents(uid)).at(-1)
    expect(last?.to ?? undefined).toBe(instances.find((instance) => instance.uid === uid)?.status)
  }
  const operations = await store.listOperations({ project, limit: 500 })
  const here = new Set<string>(instances.map(({ uid }) => uid))
  // What is gone leaves nothing open, and what is here can say what was asked of it last.
  expect(operations.filter(({ status, targetUid }) => status === 'RUNNING' && !here.has(targetUid))).toEqual(
    [],
  )
  const known = new Set(operations.map(({ id }) => id))
  expect(instances.filter(({ operationId }) => !known.has(operationId))).toEqual([])
}

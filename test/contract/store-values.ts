// What the store's contract is tried with: one host, one network, and requests that differ in what a test names.
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import {
  HostPartSchema,
  InstanceObservationSchema,
  InstancePhase,
  InstanceSpecSchema,
} from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Command } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import {
  hostId,
  type InstanceUid,
  instanceUid,
  networkUid,
  operationId,
  pciAddress,
  projectId,
  resourceUid,
  zoneId,
} from '../../proto/ids.ts'
import type { InstanceRecord } from '../../scheduler/model/instance.ts'
import { decodeCommand } from '../../scheduler/model/queued-command.ts'
import { scopeOf } from '../../scheduler/model/resource.ts'
import type { RegisterHost } from '../../scheduler/store/host-store.ts'
import type { DeclaredResource } from '../../scheduler/store/resource-store.ts'
import type {
  AddressClaim,
  ApplyObservation,
  ChangeInstance,
  CommitPlacement,
  IdempotencyKey,
  Store,
} from '../../scheduler/store/store.ts'

export const project = projectId('shop')
export const otherProject = projectId('lab')
export const zone = zoneId('us1-a')
export const host = hostId('host-1')
export const network = networkUid('0192f0c1-0000-7000-8000-00000000000a')

export const gpu = (slot: number) => pciAddress(`0000:${slot.toString(16).padStart(2, '0')}:00.0`)
export const gpus = (count: number) => Array.from({ length: count }, (_, slot) => gpu(slot + 1))

/** Sorts as made: the last digits are the number. */
export const uidOf = (number: number): InstanceUid =>
  instanceUid(`0192f0c1-1111-7000-8000-${number.toString(16).padStart(12, '0')}`)

export function hostOf(changes: Partial<RegisterHost> = {}): RegisterHost {
  return {
    hostId: host,
    zone,
    journalUuid: 'journal-1',
    lastCommandSequence: 0,
    bootId: 'boot-1',
    agentVersion: '1.0.0',
    facts: new Uint8Array([1, 2, 3]),
    architecture: 'x86_64',
    vcpus: 64,
    memoryMib: 65_536,
    diskGb: 1000,
    devices: gpus(8).map((address) => ({ address, pciId: '10de:2330', numaNode: 0 })),
    nowMs: 1000,
    ...changes,
  }
}

/** The zones that hosts of the contract can be in; a GPU of theirs has a type in each. */
export async function makeZones(store: Store): Promise<void> {
  const resources = ['us1-a', 'us1-b'].flatMap((id): readonly DeclaredResource[] => [
    {
      ...{ uid: resourceUid(`uid-of-${id}`), collection: 'zones', scope: scopeOf.region, id },
      body: { cpuOvercommit: 1 },
    },
    {
      ...{ uid: resourceUid(`uid-of-gpu-in-${id}`), collection: 'accelerator-types', id: 'gpu-80gb' },
      ...{ scope: scopeOf.zone(id), body: { pciIds: ['10de:2330'] } },
    },
  ])
  await store.declareResources({ resources, nowMs: 1 })
}

export function placementOf(number: number, changes: Partial<CommitPlacement> = {}): CommitPlacement {
  const uid = uidOf(number)
  const id = `web-${number}`
  const nics = changes.addresses ?? []
  return {
    uid,
    project,
    id,
    details: {
      ...{ labels: { tier: 'front' }, type: 'g1-small', instanceMetadata: [], hostname: id },
      ...{ disks: [], gpus: [] },
      nics: nics.map(({ macAddress }, nic) => ({
        ...{ name: `nic${nic}`, network: 'default', subnet: 'default', macAddress },
      })),
    },
    spec: create(InstanceSpecSchema, {
      ...{ uid, id, vcpus: 1, memoryMib: 1024 },
      nics: nics.map(({ macAddress }, nic) => ({ name: `nic${nic}`, macAddress })),
    }),
    addresses: [],
    uses: [],
    hostId: host,
    demand: { zone, vcpus: 1, memoryMib: 1024, diskGb: 10, gpus: [], architecture: 'x86_64' },
    devices: [],
    explanation: { seed: uid, hostsConsidered: 1, refusals: [] },
    statusMessage: 'Placed.',
    operationId: operationIdOf(number),
    principal: 'anna',
    commandId: `command-${number}`,
    requestId: `create-${number}`,
    stopDeadlineMs: 60_000,
    nowMs: 2000,
    ...changes,
  }
}

export function addressOf(nic: number, changes: Partial<AddressClaim> = {}): AddressClaim {
  return {
    networkUid: network,
    ipv4Cidr: '10.0.0.0/29',
    reservedIpv4: ['10.0.0.1', '10.0.0.2'],
    macAddress: `02:be:80:00:00:${nic.toString(16).padStart(2, '0')}`,
    ...changes,
  }
}

export function keyOf(changes: Partial<IdempotencyKey> = {}): IdempotencyKey {
  return { project, principal: 'anna', key: 'key-1', requestHash: 'hash-1', ...changes }
}

let lastOperation = 0x1000

/** As made, one after the other. */
export const operationIdOf = (number: number) =>
  operationId(`0192f0c1-2222-7000-8000-${number.toString(16).padStart(12, '0')}`)

/** A verb on an instance, under an operation of its own. */
export function changeOf(
  verb: ChangeInstance['verb'],
  idOrUid: string,
  changes: Partial<ChangeInstance> = {},
): ChangeInstance {
  lastOperation += 1
  return {
    ...{ verb, project, idOrUid, commandId: `${verb}-${idOrUid}`, requestId: verb, principal: 'anna' },
    ...{ operationId: operationIdOf(lastOperation), stopDeadlineMs: 60_000, nowMs: 4000 },
    ...changes,
  }
}

export function deleteOf(idOrUid: string, changes: Partial<ChangeInstance> = {}): ChangeInstance {
  return changeOf('delete', idOrUid, changes)
}

export interface Seen {
  readonly phase: InstancePhase
  readonly generation?: number
  readonly epoch?: number
  readonly released?: boolean
  readonly reason?: string
  readonly message?: string
  readonly settled?: boolean
  readonly hostPart?: MessageInitShape<typeof HostPartSchema>
}

export function observationOf(uid: string, seen: Seen): ApplyObservation {
  const { generation = 1, epoch = 1, released = false, reason = 'SEEN', message = 'Seen.' } = seen
  const { settled = true, hostPart } = seen
  return {
    hostId: host,
    observation: create(InstanceObservationSchema, {
      ...{ uid, phase: seen.phase, generation, epoch, released, reason, message, settled },
      requestId: 'report',
      ...(hostPart === undefined ? {} : { hostPart: create(HostPartSchema, hostPart) }),
    }),
    nowMs: 3000,
  }
}

/** Torn down as asked. */
export const absent: Seen = { phase: InstancePhase.ABSENT, generation: 2, released: true }

/** For what a test takes for granted. */
export async function commit(store: Store, input: CommitPlacement): Promise<InstanceRecord> {
  const outcome = await store.commitPlacement(input)
  if (outcome.kind !== 'committed') throw new Error(`Not committed: ${JSON.stringify(outcome)}`)
  return outcome.instance
}

export async function readHost(store: Store, wanted = host) {
  const { hosts } = await store.readHostsChangedAfter(0)
  const found = hosts.find(({ hostId }) => hostId === wanted)
  if (!found) throw new Error(`${wanted} is not registered.`)
  return found
}

/** All that is waiting, decoded. */
export async function readOutbox(store: Store, hostId = host): Promise<readonly Command[]> {
  return (await store.readOutbox({ hostId, fromSequence: 0, limit: 10_000 })).map(decodeCommand)
}

import { toBinary } from '@bufbuild/protobuf'
import { type HostFacts, HostFactsSchema, type PciDevice } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { Hello } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import { type HostId, pciAddress, zoneId } from '../../proto/ids.ts'
import type { RegisterHost } from '../store/host-store.ts'
import type { Store } from '../store/store.ts'

export type Registration =
  | { readonly kind: 'registered'; readonly epoch: number; readonly nextCommandSequence: number }
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string }

/** What a session remembers of its Hello: the facts are the store's, and large. */
export type Greeting = Omit<Hello, 'facts'>

/** Takes a host in, with what it says of itself. */
export async function registerHost(
  hello: Greeting,
  facts: HostFacts | undefined,
  { hostId, store, nowMs }: { hostId: HostId; store: Store; nowMs: number },
): Promise<Registration> {
  if (hello.hostId !== hostId) {
    const message = `The session belongs to host ${hostId}, and its Hello says ${hello.hostId}.`
    return { kind: 'refused', reason: 'HOST_ID_MISMATCH', message }
  }
  if (facts === undefined || hello.journalUuid === '') {
    const message = `Host ${hostId} sent no facts or no journal uuid: its agent is not one of this region's version.`
    return { kind: 'refused', reason: 'INCOMPLETE_HELLO', message }
  }
  const outcome = await store.registerHost(registrationOf(hello, facts, { hostId, nowMs }))
  if (outcome.kind === 'registered' && hello.epoch > outcome.epoch) {
    const message = `Host ${hostId} knows epoch ${hello.epoch} and the store is at ${outcome.epoch}: the store is older than the host. Raise the epoch when a store is restored.`
    return { kind: 'refused', reason: 'STORE_BEHIND_HOST', message }
  }
  return outcome
}

function registrationOf(
  hello: Greeting,
  facts: HostFacts,
  { hostId, nowMs }: { hostId: HostId; nowMs: number },
): RegisterHost {
  return {
    hostId,
    zone: zoneId(hello.zone),
    journalUuid: hello.journalUuid,
    lastCommandSequence: Number(hello.lastCommandSequence),
    bootId: hello.bootId,
    agentVersion: hello.agentVersion,
    facts: toBinary(HostFactsSchema, facts),
    features: facts.features,
    uplinks: facts.uplinks.map(({ physicalNetwork, mtu }) => ({ physicalNetwork, mtu })),
    ...partitionsOf(facts),
    ...cellsOf(facts),
    architecture: facts.architecture,
    vcpus: facts.allocatableVcpus,
    memoryMib: facts.allocatableMemoryMib,
    diskGb: facts.allocatableDiskGb,
    devices: facts.devices.map((device) => ({
      address: pciAddress(device.address),
      pciId: `${device.vendorId}:${device.deviceId}`,
      numaNode: device.numaNode,
      ...switchOf(device),
    })),
    nowMs,
  }
}

const partitionsOf = ({ fabric }: HostFacts) =>
  fabric === undefined
    ? {}
    : { partitions: fabric.partitions.map(({ addresses }) => addresses.map(pciAddress)) }

/** Those that run guests. A host with one is counted as a whole, and so is one whose agent tells of no shares. */
function cellsOf({ cells }: HostFacts): Pick<RegisterHost, 'cells'> {
  const able = cells.filter(({ allocatableVcpus }) => allocatableVcpus > 0)
  if (able.length < 2) return {}
  return {
    cells: able.map(({ numaNode, allocatableVcpus, allocatableMemoryMib }) => ({
      ...{ numaNode, vcpus: allocatableVcpus, memoryMib: allocatableMemoryMib },
    })),
  }
}

/** The nearest one: its port to the host is the bridge above the port that the device is at. */
function switchOf({ bridges }: PciDevice): { switchId?: string } {
  const switchId = bridges.length > 2 ? bridges.at(-2) : undefined
  return switchId === undefined ? {} : { switchId }
}

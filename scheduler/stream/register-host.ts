import { toBinary } from '@bufbuild/protobuf'
import { type HostFacts, HostFactsSchema, type PciDevice } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { Hello } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import { type HostId, pciAddress, zoneId } from '../../proto/ids.ts'
import type { Catalogue, Zone } from '../model/catalogue.ts'
import type { RegisterHost, Store } from '../store/store.ts'

export type Registration =
  | { readonly kind: 'registered'; readonly epoch: number; readonly nextCommandSequence: number }
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string }

/** Takes a host in, with what it says of itself in the words of its zone's catalogue. */
export async function registerHost(
  hello: Hello,
  { hostId, store, catalogue, nowMs }: { hostId: HostId; store: Store; catalogue: Catalogue; nowMs: number },
): Promise<Registration> {
  if (hello.hostId !== hostId) {
    const message = `The session belongs to host ${hostId}, and its Hello says ${hello.hostId}.`
    return { kind: 'refused', reason: 'HOST_ID_MISMATCH', message }
  }
  const zone = catalogue.zones.find((candidate) => candidate.id === hello.zone)
  if (zone === undefined) {
    const known = catalogue.zones.map(({ id }) => id).join(', ')
    const message = `There is no zone ${hello.zone}: set the agent's zone to one of ${known}.`
    return { kind: 'refused', reason: 'UNKNOWN_ZONE', message }
  }
  if (hello.facts === undefined || hello.journalUuid === '') {
    const message = `Host ${hostId} sent no facts or no journal uuid: its agent is not one of this region's version.`
    return { kind: 'refused', reason: 'INCOMPLETE_HELLO', message }
  }
  const outcome = await store.registerHost(registrationOf(hello, hello.facts, { hostId, zone, nowMs }))
  if (outcome.kind === 'registered' && hello.epoch > outcome.epoch) {
    const message = `Host ${hostId} knows epoch ${hello.epoch} and the store is at ${outcome.epoch}: the store is older than the host. Raise the epoch when a store is restored.`
    return { kind: 'refused', reason: 'STORE_BEHIND_HOST', message }
  }
  return outcome
}

function registrationOf(
  hello: Hello,
  facts: HostFacts,
  { hostId, zone, nowMs }: { hostId: HostId; zone: Zone; nowMs: number },
): RegisterHost {
  return {
    hostId,
    zone: zoneId(zone.id),
    journalUuid: hello.journalUuid,
    lastCommandSequence: Number(hello.lastCommandSequence),
    bootId: hello.bootId,
    agentVersion: hello.agentVersion,
    facts: toBinary(HostFactsSchema, facts),
    features: facts.features,
    uplinks: facts.uplinks.map(({ physicalNetwork, mtu }) => ({ physicalNetwork, mtu })),
    architecture: facts.architecture,
    vcpus: Math.floor(facts.allocatableVcpus * zone.cpuOvercommit),
    memoryMib: facts.allocatableMemoryMib,
    diskGb: facts.allocatableDiskGb,
    devices: facts.devices.map((device) => ({
      address: pciAddress(device.address),
      numaNode: device.numaNode,
      ...acceleratorTypeOf(device, zone),
    })),
    nowMs,
  }
}

function acceleratorTypeOf(device: PciDevice, zone: Zone): { acceleratorType?: string } {
  const pciId = `${device.vendorId}:${device.deviceId}`
  const type = zone.acceleratorTypes.find(({ pciIds }) => pciIds.includes(pciId))
  return type === undefined ? {} : { acceleratorType: type.id }
}

// Turns a create whose shape is right into an instance without open questions, or into every reason why not.
// In: the request, the catalogue, names made beforehand. Out: details (the API's words), spec (the host's words),
// demand (placement's words), address claims (the store's words).
// Never: chooses a host, looks at capacity, makes up an id, reads a clock.
import { Firmware, type InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type NetworkUid, networkUid, projectId, type ResourceUid, zoneId } from '../../proto/ids.ts'
import type { Problem } from '../errors.ts'
import { defaultPhysicalNetwork, type InstanceType } from '../model/catalogue.ts'
import { needsOf } from '../model/firewall.ts'
import type { InstanceDetails } from '../model/instance.ts'
import type { Demand, GpuWish, Uplink } from '../model/placement.ts'
import type { StoredReservation } from '../model/resource.ts'
import { diskWarnings, type ResolvedDisk, resolveDisks } from './disks.ts'
import { resolveGpus } from './gpus.ts'
import { checkHostname, renderHostname } from './hostname.ts'
import type { InstanceRequest } from './instance-request.ts'
import { resolveInstanceType, type TypeInZone, typeFeatures } from './instance-type.ts'
import { checkLabels } from './labels.ts'
import { checkMetadata } from './metadata.ts'
import { type ResolvedNic, resolveNics } from './nics.ts'
import { checkReservation, resolveReservation } from './reservation.ts'
import { type AdmissionContext, problemsOf, resolved } from './resolution.ts'
import { resourcePaths } from './resource-path.ts'
import { checkScheduling, schedulingDemand } from './scheduling.ts'
import { renderSpec } from './spec.ts'
import { subnetAddresses } from './subnet.ts'
import { checkVolumes, volumeDemand } from './volumes.ts'

/** What a NIC takes from its subnet, in the store's words. */
export interface AddressDemand {
  readonly networkUid: NetworkUid
  readonly ipv4Cidr: string
  readonly reservedIpv4: readonly string[]
  readonly requestedIpv4?: string
  readonly macAddress: string
}

export interface AdmittedInstance {
  readonly kind: 'admitted'
  readonly id: string
  readonly details: InstanceDetails
  /** Without GPU addresses and without addresses that the store is to pick. */
  readonly spec: InstanceSpec
  readonly demand: Demand
  readonly addresses: readonly AddressDemand[]
  /** Resources that can't go before it. */
  readonly uses: readonly ResourceUid[]
  /** Where its capacity is to come from. */
  readonly reservation?: StoredReservation
}

export type Admission =
  | AdmittedInstance
  | { readonly kind: 'refused'; readonly problems: readonly [Problem, ...Problem[]] }

export function admitInstance(request: InstanceRequest, context: AdmissionContext): Admission {
  const place = resolveInstanceType(request.type, context)
  const typeInZone = place.kind === 'resolved' ? place.value : undefined
  const disks = resolveDisks(request.disks ?? [], typeInZone?.type, context)
  const nics = resolveNics(request.nics ?? [], typeInZone?.type ?? {}, context)
  // Accelerator types belong to a zone: without one nothing can be said about them.
  const gpus = typeInZone === undefined ? resolved([]) : resolveGpus(request.gpus ?? [], typeInZone, context)
  const reservation = resolveReservation(request.reservation, context)

  const [first, ...others] = [
    ...problemsOf([place, disks, nics, gpus, reservation]),
    ...(disks.kind === 'resolved' && typeInZone ? checkVolumes(disks.value, typeInZone.zone.id) : []),
    ...checkLabels(request.labels ?? {}),
    ...checkMetadata(request.instanceMetadata ?? []),
    ...(request.hostname === undefined ? [] : checkHostname(request.hostname)),
    ...checkScheduling(request),
  ]
  if (first !== undefined) return { kind: 'refused', problems: [first, ...others] }
  // Without problems everything is resolved; the compiler wants to see it.
  if (
    place.kind === 'refused' ||
    disks.kind === 'refused' ||
    nics.kind === 'refused' ||
    gpus.kind === 'refused' ||
    reservation.kind === 'refused'
  ) {
    throw new Error('A refusal of admission has no problem in it.')
  }
  const parts = { ...place.value, disks: disks.value, nics: nics.value, gpus: gpus.value }
  const admitted = assemble(request, { ...parts, reservation: reservation.value }, context)
  const [mismatch] = checkReservation(reservation.value, { type: parts.path, demand: admitted.demand })
  return mismatch === undefined ? admitted : { kind: 'refused', problems: [mismatch] }
}

interface Parts extends TypeInZone {
  readonly disks: readonly ResolvedDisk[]
  readonly nics: readonly ResolvedNic[]
  readonly gpus: readonly GpuWish[]
  readonly reservation: StoredReservation | undefined
}

function assemble(request: InstanceRequest, parts: Parts, context: AdmissionContext): AdmittedInstance {
  const { zone, type, disks, nics, gpus, reservation } = parts
  const id = request.id ?? context.identity.generatedId
  const volumes = volumeDemand(disks)
  const details = renderDetails(request, id, parts, context)
  return {
    kind: 'admitted',
    id,
    details,
    spec: renderSpec({ ...parts, id, details }, context),
    demand: {
      zone: zoneId(zone.id),
      project: projectId(context.project.id),
      vcpus: type.vcpus,
      memoryMib: type.memoryMib,
      diskGb: disks.reduce(
        (sum, { volume, details }) => sum + (volume === undefined ? details.sizeGb : 0),
        0,
      ),
      gpus,
      architecture: disks.find((disk) => disk.details.boot)?.image?.architecture ?? 'x86_64',
      ...(volumes === undefined ? {} : { volumes }),
      ...featureDemand(type, { nics, disks }),
      ...uplinkDemand(nics),
      ...schedulingDemand(context.project.id, request.scheduling ?? {}),
    },
    addresses: nics.map(claimAddress),
    uses: [
      context.project.meta.uid,
      ...nics.flatMap(({ network, subnet }) => [network.meta.uid, subnet.meta.uid]),
      ...disks.flatMap(({ image }) => image?.meta.uid ?? []),
      ...(reservation === undefined ? [] : [reservation.uid]),
      ...zone.acceleratorTypes
        .filter(({ id }) => gpus.some((gpu) => gpu.type === id))
        .map(({ meta }) => meta.uid),
    ],
    ...(reservation === undefined ? {} : { reservation }),
  }
}

function featureDemand(
  type: InstanceType,
  { nics, disks }: { nics: readonly ResolvedNic[]; disks: readonly ResolvedDisk[] },
): { features?: readonly string[] } {
  const needs = nics.flatMap(({ network }) => needsOf(network)).map(({ feature }) => feature)
  const bootDisk = disks.find(({ details }) => details.boot)
  const isUefi = bootDisk?.image?.firmware === 'UEFI' || bootDisk?.volume?.image?.firmware === Firmware.UEFI
  const firmware = isUefi ? ['uefi'] : []
  const interfaces = disks.some(({ details }) => details.interface === 'NVME') ? ['nvme-disks'] : []
  const features = [...new Set([...typeFeatures(type), ...needs, ...firmware, ...interfaces])].sort()
  return features.length === 0 ? {} : { features }
}

/** One for each physical network, with the largest MTU that is needed there. */
function uplinkDemand(nics: readonly ResolvedNic[]): { uplinks?: readonly Uplink[] } {
  const mtus = new Map<string, number>()
  for (const { network } of nics) {
    if (network.vlan === 0) continue
    const { physicalNetwork = defaultPhysicalNetwork, mtu } = network
    mtus.set(physicalNetwork, Math.max(mtu, mtus.get(physicalNetwork) ?? 0))
  }
  return mtus.size === 0
    ? {}
    : { uplinks: [...mtus].map(([physicalNetwork, mtu]) => ({ physicalNetwork, mtu })) }
}

function renderDetails(
  request: InstanceRequest,
  id: string,
  { zone, path, disks, nics, gpus, reservation }: Parts,
  { catalogue, project }: AdmissionContext,
): InstanceDetails {
  const paths = resourcePaths(catalogue.region)
  const warnings = diskWarnings(disks)
  const names = { instance: id, zone: zone.id, project: project.id }
  return {
    ...(request.displayName === undefined ? {} : { displayName: request.displayName }),
    ...(request.description === undefined ? {} : { description: request.description }),
    labels: request.labels ?? {},
    type: path,
    instanceMetadata: request.instanceMetadata ?? [],
    hostname: request.hostname ?? renderHostname(catalogue.hostnameTemplate, names),
    disks: disks.map((disk) => disk.details),
    nics: nics.map((nic) => nic.details),
    gpus: gpus.map((gpu) => ({ ...gpu, type: paths.acceleratorType(zone.id, gpu.type) })),
    ...(reservation === undefined ? {} : { reservation: paths.reservation(project.id, reservation.id) }),
    ...(request.scheduling === undefined ? {} : { scheduling: request.scheduling }),
    ...(warnings.length === 0 ? {} : { warnings }),
  }
}

function claimAddress({ details, network, subnet }: ResolvedNic): AddressDemand {
  const { gateway, service } = subnetAddresses(subnet)
  return {
    networkUid: networkUid(network.meta.uid),
    ipv4Cidr: subnet.ipv4Cidr,
    reservedIpv4: [gateway, service],
    ...(details.ipv4Address === undefined ? {} : { requestedIpv4: details.ipv4Address }),
    macAddress: details.macAddress,
  }
}

import { create } from '@bufbuild/protobuf'
import {
  type Disk,
  DiskInterface,
  DiskSchema,
  DiskType,
  Firmware,
  ImageFormat,
  type InstanceSpec,
  InstanceSpecSchema,
  MetadataFlavour,
} from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type CatalogueImage, defaultPhysicalNetwork } from '../model/catalogue.ts'
import type { DiskRecord } from '../model/disk.ts'
import type { InstanceDetails, InstanceDisk } from '../model/instance.ts'
import { ipv6Of } from '../model/ipv6.ts'
import type { ResolvedDisk } from './disks.ts'
import { domainOf } from './hostname.ts'
import type { TypeInZone } from './instance-type.ts'
import type { ResolvedNic } from './nics.ts'
import type { AdmissionContext } from './resolution.ts'
import { resourcePaths } from './resource-path.ts'
import { serviceMac, subnetAddresses } from './subnet.ts'

interface ResolvedInstance extends TypeInZone {
  readonly id: string
  readonly details: InstanceDetails
  readonly disks: readonly ResolvedDisk[]
  readonly nics: readonly ResolvedNic[]
}

/** The instance in the host's words. GPUs get their addresses from placement, NICs theirs from the store. */
export function renderSpec(instance: ResolvedInstance, context: AdmissionContext): InstanceSpec {
  const { hostname, instanceMetadata, scheduling } = instance.details
  return create(InstanceSpecSchema, {
    uid: context.identity.uid,
    id: instance.id,
    project: context.project.id,
    region: context.catalogue.region,
    zone: instance.zone.id,
    instanceType: instance.type.id,
    hostname,
    vcpus: instance.type.vcpus,
    memoryMib: instance.type.memoryMib,
    disks: instance.disks.map(({ details, image, volume }) =>
      volume === undefined ? renderDisk(details, image) : renderVolume(details, volume),
    ),
    nics: instance.nics.map((nic) => renderNic(nic, domainOf(hostname))),
    metadata: instanceMetadata.map(({ key, value }) => ({ key, value })),
    createdAt: context.identity.createdAt,
    automaticRestart: scheduling?.automaticRestart ?? true,
  })
}

const interfaces = {
  VIRTIO: DiskInterface.VIRTIO,
  SCSI: DiskInterface.SCSI,
  NVME: DiskInterface.NVME,
} as const
const types = { PERSISTENT: DiskType.PERSISTENT, SCRATCH: DiskType.SCRATCH } as const
const formats = { raw: ImageFormat.RAW, qcow2: ImageFormat.QCOW2 } as const
const firmwareNumbers = { BIOS: Firmware.BIOS, UEFI: Firmware.UEFI } as const
const flavours = {
  ...{ NOCLOUD: MetadataFlavour.NOCLOUD, GCE: MetadataFlavour.GCE },
  ...{ EC2: MetadataFlavour.EC2, OPENSTACK: MetadataFlavour.OPENSTACK },
} as const

function renderDisk(details: InstanceDisk, image: CatalogueImage | undefined) {
  return {
    deviceName: details.deviceName,
    sizeGb: details.sizeGb,
    boot: details.boot,
    interface: interfaces[details.interface],
    type: types[details.type],
    readOnly: details.mode === 'READ_ONLY',
    ...(image === undefined ? {} : { image: renderImage(image) }),
  }
}

/** A disk that outlives the instance, as the host is told of it. */
export function renderVolume(details: InstanceDisk, { uid, sizeGb, image, isMade }: DiskRecord): Disk {
  return create(DiskSchema, {
    ...renderDisk(details, undefined),
    ...{ sizeGb, volumeUid: uid, mustExist: isMade },
    ...(image === undefined ? {} : { image }),
  })
}

/** The same as the instance shows it. */
export const useDetails = (
  { project, id, sizeGb }: DiskRecord,
  region: string,
  wish: Pick<InstanceDisk, 'deviceName' | 'boot'> & Partial<Pick<InstanceDisk, 'interface' | 'mode'>>,
): InstanceDisk => ({
  ...{ deviceName: wish.deviceName, sizeGb, boot: wish.boot, autoDelete: false },
  source: resourcePaths(region).disk(project, id),
  ...{ interface: wish.interface ?? 'VIRTIO', type: 'PERSISTENT', mode: wish.mode ?? 'READ_WRITE' },
})

export function renderImage(image: CatalogueImage) {
  const {
    id,
    url,
    sha256,
    format,
    metadataFlavour,
    seedDisk = false,
    firmware = 'BIOS',
    directKernel,
  } = image
  return {
    id,
    url,
    sha256,
    format: formats[format],
    metadataFlavour: flavours[metadataFlavour],
    seedDisk,
    firmware: firmwareNumbers[firmware],
    ...(directKernel === undefined ? {} : { directKernel }),
  }
}

function renderNic({ details, network, subnet }: ResolvedNic, domain: string) {
  const { gateway, service } = subnetAddresses(subnet)
  return {
    name: details.name,
    macAddress: details.macAddress,
    ipv4Address: details.ipv4Address ?? '',
    networkMbps: details.networkMbps ?? 0,
    network: {
      uid: network.meta.uid,
      id: network.id,
      vlan: network.vlan,
      ipv4Cidr: subnet.ipv4Cidr,
      ...(subnet.ipv6Cidr === undefined
        ? {}
        : { ipv6Cidr: subnet.ipv6Cidr, serviceIpv6: ipv6Of(subnet.ipv6Cidr, service) }),
      ipv4Gateway: gateway,
      serviceIpv4: service,
      serviceMac,
      mtu: network.mtu,
      ...(network.vlan === 0 ? {} : { physicalNetwork: network.physicalNetwork ?? defaultPhysicalNetwork }),
      domain,
    },
  }
}

import { type Disk, DiskInterface } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Pinned } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { deviceAddress } from './domain-buses.ts'
import type { DiskBase } from './machine-plan.ts'
import { isScsi, seedDevice } from './pinned.ts'
import { type Element, element } from './xml.ts'

export interface DomainDisk {
  readonly disk: Disk
  readonly path: string
  readonly pinned: Pinned
  readonly base?: DiskBase
}

/** Of what libvirt knows by its own name for it, such as `virsh detach-device-alias`. */
export const deviceAlias = (name: string) => `ua-${name}`

/** A sentence where a disk can't be had from libvirt. */
export function findDiskProblem(disk: Pick<Disk, 'deviceName' | 'interface'>): string | undefined {
  if (disk.interface !== DiskInterface.NVME) return undefined
  return `Disk ${disk.deviceName} is to be an NVMe disk, which libvirt can't make: use VIRTIO or SCSI, or a host whose agent runs QEMU itself.`
}

/**
 * Each format is named, and what a disk rests on to the end: nothing is probed. `order` is that of the firmware's looking;
 * `target` is a name that no other disk of the domain has, and nothing to the guest.
 */
export function diskElement(
  plan: DomainDisk & { readonly target: string; readonly order?: number; readonly scsiTarget?: number },
): Element {
  const { disk, path, base, target, order, scsiTarget } = plan
  const isOnScsi = isScsi(disk)
  return element(
    'disk',
    { type: 'file', device: 'disk' },
    element('driver', { name: 'qemu', type: 'qcow2', discard: 'unmap' }),
    element('source', { file: path }),
    base
      ? element(
          'backingStore',
          { type: 'file' },
          element('format', { type: base.format }),
          element('source', { file: base.path }),
          element('backingStore'),
        )
      : element('backingStore'),
    element('target', { dev: target, bus: isOnScsi ? 'scsi' : 'virtio' }),
    disk.readOnly ? element('readonly') : undefined,
    element('serial', {}, disk.deviceName),
    order === undefined ? undefined : element('boot', { order }),
    element('alias', { name: deviceAlias(disk.deviceName) }),
    isOnScsi ? scsiAddress(scsiTarget) : deviceAddress(plan.pinned, disk.deviceName),
  )
}

/** As QEMU itself counts them. undefined leaves it to libvirt, which knows what is free. */
const scsiAddress = (target: number | undefined): Element | undefined =>
  target === undefined
    ? undefined
    : element('address', { type: 'drive', controller: 0, bus: 0, target, unit: 0 })

/** Raw, and as large at every start. */
export const seedDiskElement = (plan: { path: string; pinned: Pinned; target: string }): Element =>
  element(
    'disk',
    { type: 'file', device: 'disk' },
    element('driver', { name: 'qemu', type: 'raw' }),
    element('source', { file: plan.path }),
    element('backingStore'),
    element('target', { dev: plan.target, bus: 'virtio' }),
    element('readonly'),
    element('serial', {}, seedDevice),
    element('alias', { name: deviceAlias(seedDevice) }),
    deviceAddress(plan.pinned, seedDevice),
  )

export const scsiControllerElement = (pinned: Pinned): Element =>
  element('controller', { type: 'scsi', index: 0, model: 'virtio-scsi' }, deviceAddress(pinned, 'scsi0'))

/** vda, vdb, … of 26. */
export const targetName = (disk: Pick<Disk, 'interface'> | undefined, index: number) =>
  `${disk?.interface === DiskInterface.SCSI ? 'sd' : 'vd'}${String.fromCharCode('a'.charCodeAt(0) + index)}`

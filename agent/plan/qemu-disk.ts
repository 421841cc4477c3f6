import { type Disk, DiskInterface } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Pinned } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { isScsi, portOf, seedDevice } from './pinned.ts'

type Options = Readonly<Record<string, string | number | boolean>>

/** A disk in QEMU's words: two nodes of the block layer, and the device that the guest sees. */
export interface QemuDisk {
  readonly deviceName: string
  readonly file: Options
  readonly format: Options
  readonly device: Options
  /** What the device sits on, where it sits on no port of its own. */
  readonly controller?: Options
}

export const fileNodeOf = (deviceName: string) => `${deviceName}-file`
export const deviceIdOf = (deviceName: string) => `${deviceName}-device`

/** The same at boot and for a guest that runs. Every format is named, nothing is probed. */
export function planQemuDisk(disk: Disk, at: { readonly path: string; readonly pinned: Pinned }): QemuDisk {
  const { deviceName } = disk
  const file = fileNodeOf(deviceName)
  const access: Options = disk.readOnly ? { 'read-only': true } : {}
  return {
    deviceName,
    file: {
      ...{ driver: 'file', filename: at.path, 'node-name': file, locking: 'on', discard: 'unmap' },
      ...access,
    },
    format: { driver: 'qcow2', file, 'node-name': deviceName, discard: 'unmap', ...access },
    device: {
      ...{ driver: drivers[disk.interface] ?? 'virtio-blk-pci', id: deviceIdOf(deviceName) },
      ...{ bus: isScsi(disk) ? 'scsi0.0' : portOf(at.pinned, deviceName) },
      ...{ drive: deviceName, serial: deviceName },
    },
    ...(isScsi(disk) ? { controller: scsiController(at.pinned) } : {}),
  }
}

/** Raw, and as large at every start. What a guest may not change needs no lock either. */
export function planSeedDisk(at: { readonly path: string; readonly pinned: Pinned }): QemuDisk {
  const file = fileNodeOf(seedDevice)
  const access = { 'read-only': true }
  return {
    deviceName: seedDevice,
    file: { driver: 'file', filename: at.path, 'node-name': file, ...access },
    format: { driver: 'raw', file, 'node-name': seedDevice, ...access },
    device: {
      ...{ driver: 'virtio-blk-pci', id: deviceIdOf(seedDevice), bus: portOf(at.pinned, seedDevice) },
      ...{ drive: seedDevice, serial: seedDevice },
    },
  }
}

const drivers: Readonly<Partial<Record<DiskInterface, string>>> = {
  [DiskInterface.SCSI]: 'scsi-hd',
  [DiskInterface.NVME]: 'nvme',
}

export const scsiController = (pinned: Pinned): Options => ({
  ...{ driver: 'virtio-scsi-pci', id: 'scsi0', bus: portOf(pinned, 'scsi0') },
})

/** key=value,…: QEMU's options are split at commas; a doubled one is a comma. */
export function renderOptions({ driver, ...options }: Options, driverKey = ''): string {
  const pairs = Object.entries(options).map(([key, value]) => `${key}=${renderValue(value)}`)
  return [`${driverKey}${String(driver)}`, ...pairs].join(',')
}

export const escaped = (value: string): string => value.replaceAll(',', ',,')

const renderValue = (value: Options[string]): string =>
  typeof value === 'boolean' ? (value ? 'on' : 'off') : escaped(String(value))

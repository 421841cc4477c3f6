// Guests whose machines are written down, in the words of each hypervisor.
import { DiskInterface } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { specOf } from '../drivers/hypervisor/guest-specs.ts'

export const directories = { state: '/var/lib/berth', run: '/run/berth' }
const { VIRTIO, SCSI, NVME } = DiskInterface
const nic = {
  name: 'nic0',
  macAddress: '02:00:00:00:00:01',
  ipv4Address: '10.0.0.2',
  network: { uid: 'n', mtu: 1450 },
}

export const small = specOf({
  disks: [{ deviceName: 'disk0', sizeGb: 1, boot: true, interface: VIRTIO }],
  nics: [nic],
})
export const manyDisks = specOf({
  vcpus: 4,
  memoryMib: 4096,
  disks: [
    { deviceName: 'disk0', sizeGb: 10, interface: SCSI },
    { deviceName: 'disk1', sizeGb: 20, interface: NVME },
    { deviceName: 'disk2', sizeGb: 30, boot: true, readOnly: true, interface: VIRTIO },
  ],
  nics: [nic],
})
/** Without NVMe, which libvirt has not. */
export const scsiDisks = specOf({
  vcpus: 4,
  memoryMib: 4096,
  disks: [
    { deviceName: 'disk0', sizeGb: 10, interface: SCSI },
    { deviceName: 'disk1', sizeGb: 20, interface: SCSI },
    { deviceName: 'disk2', sizeGb: 30, boot: true, readOnly: true, interface: VIRTIO },
  ],
  nics: [nic, { ...nic, name: 'nic1', macAddress: '02:00:00:00:00:02' }],
})
export const seeded = specOf({
  disks: [{ deviceName: 'disk0', sizeGb: 1, boot: true, interface: VIRTIO, image: { seedDisk: true } }],
  nics: [nic],
})
export const eightGpus = specOf({
  vcpus: 192,
  memoryMib: 1024 * 1024,
  disks: [{ deviceName: 'disk0', sizeGb: 100, boot: true, interface: VIRTIO }],
  nics: [nic],
  gpus: Array.from({ length: 8 }, (_, index) => ({
    type: 'nvidia-h100-80gb',
    address: `0000:${index + 1}b:00.0`,
  })),
})

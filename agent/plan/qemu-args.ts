import { DiskInterface, type InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Pinned } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { tapName } from './names.ts'
import type { InstancePaths } from './paths.ts'

/** Files of an image that is booted without a boot loader. */
export interface DirectKernelFiles {
  readonly kernelPath: string
  readonly initrdPath: string
  readonly commandLine: string
}

export interface QemuPlan {
  readonly spec: InstanceSpec
  readonly pinned: Pinned
  readonly paths: InstancePaths
  readonly directKernel?: DirectKernelFiles
}

export const serialRingBytes = 1024 * 1024
const sandbox = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'
/** cloud-init 22.4 wants the name with -net and the slash at the end. */
const noCloudSeed = 'ds=nocloud-net;s=http://169.254.169.254/'

/** The whole command line of one guest after the program's name. Every format is named, nothing is probed. */
export function renderQemuArgs(plan: QemuPlan): readonly string[] {
  const { spec, pinned, paths } = plan
  return [
    ...['-name', `guest=${escaped(spec.uid)},debug-threads=on`],
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-machine', `${pinned.machineType},usb=off,vmport=off,graphics=off`],
    ...['-accel', pinned.accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi'],
    ...['-cpu', pinned.cpuModel],
    ...['-smp', `${spec.vcpus},sockets=1,cores=${spec.vcpus},threads=1`],
    ...['-m', `${spec.memoryMib}M`],
    ...['-uuid', spec.uid],
    ...['-smbios', smbiosSystem(spec)],
    // Paused until the agent says go; still there after the guest powers off, so that nobody takes that for a crash.
    ...['-S', '-no-shutdown'],
    ...['-sandbox', sandbox, '-msg', 'timestamp=on'],
    ...['-qmp', `unix:${escaped(paths.qmpSocket)},server=on,wait=off`],
    // A ring in QEMU's own memory: a guest that writes without end fills nothing, agent or no agent.
    ...['-chardev', `ringbuf,id=serial0,size=${serialRingBytes}`, '-serial', 'chardev:serial0'],
    ...bootArgs(plan.directKernel),
    ...pinned.slots.flatMap(({ device, slot }) => rootPort(device, slot)),
    ...['-object', 'rng-random,id=rng,filename=/dev/urandom'],
    ...['-device', `virtio-rng-pci,rng=rng,bus=${portOf('rng0')}`],
    ...diskArgs(plan),
    ...spec.nics.flatMap((nic, index) => nicArgs({ spec, index, name: nic.name, mac: nic.macAddress })),
    ...spec.gpus.flatMap((gpu, index) => [
      '-device',
      `vfio-pci,id=gpu${index},host=${gpu.address},bus=${portOf(`gpu${index}`)}`,
    ]),
  ]
}

function smbiosSystem(spec: InstanceSpec): string {
  const facts = {
    manufacturer: 'Berth',
    product: 'Berth Instance',
    version: '1',
    serial: noCloudSeed,
    uuid: spec.uid,
  }
  const pairs = Object.entries(facts).map(([key, value]) => `${key}=${escaped(value)}`)
  return `type=1,${pairs.join(',')}`
}

function bootArgs(files: DirectKernelFiles | undefined): readonly string[] {
  if (!files) return []
  return ['-kernel', files.kernelPath, '-initrd', files.initrdPath, '-append', files.commandLine]
}

/** Each device alone behind a port of its own: what is unplugged or reset takes nothing with it. */
function rootPort(device: string, slot: number): readonly string[] {
  return [
    '-device',
    `pcie-root-port,id=${portOf(device)},bus=pcie.0,chassis=${slot},slot=${slot},addr=0x${slot.toString(16)}`,
  ]
}

const portOf = (device: string) => `port-${device}`

function diskArgs({ spec, paths }: QemuPlan): readonly string[] {
  const controller = spec.disks.some((disk) => disk.interface === DiskInterface.SCSI)
    ? ['-device', `virtio-scsi-pci,id=scsi0,bus=${portOf('scsi0')}`]
    : []
  // The firmware looks at the boot disk first.
  const bootFirst = spec.disks.toSorted((a, b) => Number(b.boot) - Number(a.boot))
  return [
    ...controller,
    ...spec.disks.flatMap((disk) => {
      const { deviceName, readOnly } = disk
      const file = `driver=file,filename=${escaped(paths.disk(deviceName))},node-name=${deviceName}-file,locking=on,discard=unmap,cache.direct=off`
      const format = `driver=qcow2,file=${deviceName}-file,node-name=${deviceName},discard=unmap${readOnly ? ',read-only=on' : ''}`
      const fileNode = readOnly ? `${file},read-only=on` : file
      const bootIndex = `bootindex=${bootFirst.indexOf(disk) + 1}`
      return [
        ...['-blockdev', fileNode, '-blockdev', format],
        ...[
          '-device',
          `${frontend(disk.interface, deviceName)},drive=${deviceName},serial=${deviceName},${bootIndex}`,
        ],
      ]
    }),
  ]
}

function frontend(diskInterface: DiskInterface, deviceName: string): string {
  switch (diskInterface) {
    case DiskInterface.SCSI:
      return `scsi-hd,id=${deviceName}-device,bus=scsi0.0`
    case DiskInterface.NVME:
      return `nvme,id=${deviceName}-device,bus=${portOf(deviceName)}`
    default:
      return `virtio-blk-pci,id=${deviceName}-device,bus=${portOf(deviceName)}`
  }
}

function nicArgs(nic: { spec: InstanceSpec; index: number; name: string; mac: string }): readonly string[] {
  const tap = tapName(nic.spec.uid, nic.index)
  const mtu = nic.spec.nics[nic.index]?.network?.mtu
  const hostMtu = mtu ? `,host_mtu=${mtu}` : ''
  return [
    ...['-netdev', `tap,id=${nic.name},ifname=${tap},script=no,downscript=no,vhost=off`],
    // No option ROM: nothing boots from the network.
    ...[
      '-device',
      `virtio-net-pci,id=${nic.name}-device,netdev=${nic.name},mac=${nic.mac},bus=${portOf(nic.name)},romfile=${hostMtu}`,
    ],
  ]
}

/** QEMU's options are split at commas; a doubled one is a comma. */
function escaped(value: string): string {
  return value.replaceAll(',', ',,')
}

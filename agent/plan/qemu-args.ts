import type { Disk, InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { firmwareArgs, firmwareOption } from './firmware.ts'
import { systemFacts } from './flavour.ts'
import type { DirectKernelFiles, MachinePlan } from './machine-plan.ts'
import { tapName } from './names.ts'
import { portOf } from './pinned.ts'
import { hasSeedDisk } from './plan-instance.ts'
import {
  escaped,
  planQemuDisk,
  planSeedDisk,
  type QemuDisk,
  renderOptions,
  scsiController,
} from './qemu-disk.ts'
import { cpuOptions, memoryArgs, memoryOption, rootBusArgs, rootPort, smpOption } from './qemu-hardware.ts'

export const serialRingBytes = 1024 * 1024
/** As the command line below makes it, for QMP. */
export const serialRingBackend = { type: 'ringbuf', data: { size: serialRingBytes } }
/** QEMU connects: what it writes from that moment on is kept for whoever listens there. */
export const serialSocketBackend = (path: string) => ({
  type: 'socket',
  data: { addr: { type: 'unix', data: { path } }, server: false },
})
/** By turns: a thread for each processor can keep the breakpoint of code that a Linux guest patches while others run it. */
const emulation = 'tcg,thread=single'
const sandbox = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'

/** The whole command line of one guest after the program's name. Every format is named, nothing is probed. */
export function renderQemuArgs(plan: MachinePlan): readonly string[] {
  const { spec, pinned, paths } = plan
  return [
    ...['-name', `guest=${escaped(spec.uid)},debug-threads=on`],
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    ...[
      '-machine',
      `${pinned.machineType},usb=off,vmport=off,graphics=off${memoryOption(plan)}${firmwareOption(plan)}`,
    ],
    ...['-accel', pinned.accelerator === 'kvm' ? 'kvm' : emulation],
    ...['-cpu', `${pinned.cpuModel}${cpuOptions(plan)}`],
    ...['-smp', smpOption(plan)],
    ...['-m', `${spec.memoryMib}M`],
    ...memoryArgs(plan),
    ...['-uuid', systemFacts(spec).uuid],
    ...['-smbios', smbiosSystem(spec)],
    // Paused until the agent says go; still there after the guest powers off, so that nobody takes that for a crash.
    ...['-S', '-no-shutdown'],
    ...['-sandbox', sandbox, '-msg', 'timestamp=on'],
    ...['-qmp', `unix:${escaped(paths.qmpSocket)},server=on,wait=off`],
    // A ring in QEMU's own memory: a guest that writes without end fills nothing, agent or no agent.
    ...['-chardev', `ringbuf,id=serial0,size=${serialRingBytes}`, '-serial', 'chardev:serial0'],
    ...firmwareArgs(plan),
    ...bootArgs(plan.directKernel),
    ...rootBusArgs(plan),
    ...pinned.slots.flatMap(({ slot }) => rootPort(slot)),
    ...['-object', 'rng-random,id=rng,filename=/dev/urandom'],
    ...['-device', `virtio-rng-pci,rng=rng,bus=${portOf(pinned, 'rng0')}`],
    ...diskArgs(plan),
    ...spec.nics.flatMap((nic, index) =>
      nicArgs({
        ...{ spec, index, name: nic.name, mac: nic.macAddress, port: portOf(pinned, nic.name) },
        queues: pinned.nicQueues,
        hasVhost: plan.hasVhost ?? false,
      }),
    ),
    ...spec.gpus.flatMap((gpu, index) => [
      '-device',
      `vfio-pci,id=gpu${index},host=${gpu.address},bus=${portOf(pinned, `gpu${index}`)}`,
    ]),
  ]
}

function smbiosSystem(spec: InstanceSpec): string {
  const pairs = Object.entries(systemFacts(spec)).map(([key, value]) => `${key}=${escaped(value)}`)
  return `type=1,${pairs.join(',')}`
}

function bootArgs(files: DirectKernelFiles | undefined): readonly string[] {
  if (!files) return []
  return ['-kernel', files.kernelPath, '-initrd', files.initrdPath, '-append', files.commandLine]
}

/** From 1. The firmware looks at the boot disk first. */
export function bootOrderOf({ disks }: Pick<InstanceSpec, 'disks'>, disk: Disk): number {
  return disks.toSorted((a, b) => Number(b.boot) - Number(a.boot)).indexOf(disk) + 1
}

function diskArgs({ spec, paths, pinned }: MachinePlan): readonly string[] {
  return [
    ...(pinned.slots.some(({ device }) => device === 'scsi0')
      ? ['-device', renderOptions(scsiController(pinned))]
      : []),
    ...spec.disks.flatMap((disk) => {
      const { device, ...nodes } = planQemuDisk(disk, { path: paths.disk(disk), pinned })
      return renderDisk({ ...nodes, device: { ...device, bootindex: bootOrderOf(spec, disk) } })
    }),
    ...(hasSeedDisk(spec) ? renderDisk(planSeedDisk({ path: paths.seedDisk, pinned })) : []),
  ]
}

const renderDisk = ({ file, format, device }: QemuDisk): readonly string[] => [
  ...['-blockdev', renderOptions(file, 'driver='), '-blockdev', renderOptions(format, 'driver=')],
  ...['-device', renderOptions(device)],
]

function nicArgs(nic: {
  spec: InstanceSpec
  index: number
  name: string
  mac: string
  port: string
  queues: number
  hasVhost: boolean
}): readonly string[] {
  const tap = tapName(nic.spec.uid, nic.index)
  const mtu = nic.spec.nics[nic.index]?.network?.mtu
  const hostMtu = mtu ? `,host_mtu=${mtu}` : ''
  const isMultiQueue = nic.queues > 1
  // An interrupt for each queue in each direction, one for changes of the device, and one for its control.
  const vectors = isMultiQueue ? `,mq=on,vectors=${2 * nic.queues + 2}` : ''
  const vhost = nic.hasVhost ? 'on' : 'off'
  const queues = isMultiQueue ? `,queues=${nic.queues}` : ''
  return [
    ...['-netdev', `tap,id=${nic.name},ifname=${tap},script=no,downscript=no,vhost=${vhost}${queues}`],
    // No option ROM: nothing boots from the network.
    ...[
      '-device',
      `virtio-net-pci,id=${nic.name}-device,netdev=${nic.name},mac=${nic.mac},bus=${nic.port},romfile=${hostMtu}${vectors}`,
    ],
  ]
}

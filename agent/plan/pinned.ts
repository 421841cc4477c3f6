import { create } from '@bufbuild/protobuf'
import {
  type Disk,
  DiskInterface,
  Firmware,
  type InstanceSpec,
} from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import {
  type Pinned,
  PinnedHardwareSchema,
  PinnedSchema,
  type PinnedSlot,
} from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { planThreadsPerCore } from './cpu-pinning.ts'
import { planTopology } from './guest-topology.ts'
import type { HostHardware } from './host-hardware.ts'
import { planMmio64Mib } from './mmio-window.ts'
import { planSlots, rootBusOf } from './pinned-slots.ts'
import { bootImage, hasSeedDisk } from './plan-instance.ts'

/** What a guest finds again at every start, chosen once. */
export interface PinnedFacts {
  /** Versioned, such as pc-q35-7.2: an alias would change with the next QEMU. */
  readonly machineType: string
  readonly accelerator: 'kvm' | 'tcg'
  readonly runAsUid: number
}

/** No disk of a tenant has such a name. */
export const seedDevice = 'seed_disk'

/** One for each vCPU, up to where more of them cost interrupts and gain little. */
const mostNicQueues = 8

/** `hardware` where the guest has passed-through devices and the host's own is known. */
export function planPinned(spec: InstanceSpec, facts: PinnedFacts, hardware?: HostHardware): Pinned {
  const devices = [
    'rng0',
    ...(spec.disks.some((disk) => isScsi(disk)) ? ['scsi0'] : []),
    ...spec.disks.filter((disk) => !isScsi(disk)).map((disk) => disk.deviceName),
    ...(hasSeedDisk(spec) ? [seedDevice] : []),
    ...spec.nics.map((nic) => nic.name),
  ]
  return create(PinnedSchema, {
    machineType: facts.machineType,
    // Under TCG `max` is what the emulator can; under KVM passthrough guests want the real one.
    cpuModel: facts.accelerator === 'kvm' ? 'host' : 'max',
    accelerator: facts.accelerator,
    runAsUid: facts.runAsUid,
    nicQueues: Math.min(spec.vcpus, mostNicQueues),
    firmware: bootImage(spec)?.firmware ?? Firmware.UNSPECIFIED,
    ...planLayout(spec, { kept: [], devices, hardware }),
  })
}

function planLayout(
  spec: InstanceSpec,
  at: { kept: readonly PinnedSlot[]; devices: readonly string[]; hardware: HostHardware | undefined },
): Pick<Pinned, 'slots' | 'hardware'> {
  const { kept, devices, hardware } = at
  if (!hardware || spec.gpus.length === 0) {
    const topology = { rootBuses: [], gpuRootBuses: spec.gpus.map(() => 0) }
    return { slots: planSlots({ kept, devices, topology }).slots }
  }
  const topology = planTopology(spec, hardware)
  const { slots, expanderSlots } = planSlots({ kept, devices, topology })
  return {
    slots,
    hardware: create(PinnedHardwareSchema, {
      cells: topology.nodeIds.length,
      threadsPerCore: planThreadsPerCore(spec, topology, hardware),
      rootBuses: topology.rootBuses.map(({ cell }, index) => ({
        slot: expanderSlots[index] ?? 0,
        cell: cell === undefined ? 0 : cell + 1,
      })),
      mmio64Mib: BigInt(planMmio64Mib(spec, hardware)),
    }),
  }
}

export function isScsi(disk: Disk): boolean {
  return disk.interface === DiskInterface.SCSI
}

/** The root port of a device. Named after its slot: what sits there can change while the guest runs. */
export function portOf({ slots }: Pinned, device: string): string {
  const slot = slots.find((one) => one.device === device)?.slot
  if (slot === undefined) throw new Error(`The pinned machine has no slot for ${device}.`)
  return `port${slot}`
}

const isOfNoDisk = (device: string) => device === seedDevice || /^(rng|scsi|nic|gpu|spare)\d+$/.test(device)

/**
 * The pinned machine with a slot for each of these disks: one that is new gets a spare, one that has left gives its slot
 * back, all others stay where they are. undefined where no spare is left.
 */
export function repinDisks(pinned: Pinned, disks: readonly Disk[]): Pinned | undefined {
  const wanted = new Set([
    ...disks.map((disk) => (isScsi(disk) ? 'scsi0' : disk.deviceName)),
    ...(hasSeedDisk({ disks: [...disks] }) ? [seedDevice] : []),
  ])
  const slots = pinned.slots.map((one) => ({
    ...one,
    device: isOfNoDisk(one.device) || wanted.has(one.device) ? one.device : `spare${one.slot}`,
  }))
  for (const device of wanted) {
    if (slots.some((one) => one.device === device)) continue
    const spare = slots.find((one) => one.device.startsWith('spare'))
    if (!spare) return undefined
    spare.device = device
  }
  return create(PinnedSchema, { ...pinned, slots })
}

/**
 * The pinned machine where its guest's GPUs are now. It may have got others since it ran: where those lie otherwise on the
 * host, the guest is told so, and everything but its GPUs stays where it was.
 */
export function repinGpus(pinned: Pinned, spec: InstanceSpec, hardware: HostHardware | undefined): Pinned {
  if (!pinned.hardware || !hardware) return pinned
  const kept = pinned.slots.filter(({ device }) => !/^(gpu|spare)\d+$/.test(device))
  const layout = planLayout(spec, { kept, devices: [], hardware })
  return isSameLayout(pinned, layout) ? pinned : create(PinnedSchema, { ...pinned, ...layout })
}

function isSameLayout(one: Pick<Pinned, 'slots' | 'hardware'>, other: Pick<Pinned, 'slots' | 'hardware'>) {
  const told = ({ slots, hardware }: Pick<Pinned, 'slots' | 'hardware'>) =>
    JSON.stringify([
      slots.filter(({ device }) => /^gpu\d+$/.test(device)).map(({ slot }) => rootBusOf(slot)),
      hardware?.cells,
      hardware?.rootBuses.map(({ cell }) => cell),
      hardware?.mmio64Mib.toString(),
    ])
  return told(one) === told(other)
}

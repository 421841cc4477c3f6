import { create } from '@bufbuild/protobuf'
import { type Disk, DiskInterface, type InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type Pinned, PinnedSchema } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { hasSeedDisk } from './plan-instance.ts'

/** What a guest finds again at every start, chosen once. */
export interface PinnedFacts {
  /** Versioned, such as pc-q35-7.2: an alias would change with the next QEMU. */
  readonly machineType: string
  readonly accelerator: 'kvm' | 'tcg'
  readonly runAsUid: number
}

/** No disk of a tenant has such a name. */
export const seedDevice = 'seed_disk'

/** For devices that come later: a hot-plugged disk needs a port that was there at boot. */
const spareSlots = 8
/** One for each vCPU, up to where more of them cost interrupts and gain little. */
const mostNicQueues = 8
/** Slot 0 is the host bridge; those from 31 on are the chipset's. */
const firstSlot = 1
const lastSlot = 30

/** Slots are given out in the order of the spec, each device behind a root port of its own, then the spares. */
export function planPinned(spec: InstanceSpec, facts: PinnedFacts): Pinned {
  const devices = [
    'rng0',
    ...(spec.disks.some((disk) => isScsi(disk)) ? ['scsi0'] : []),
    ...spec.disks.filter((disk) => !isScsi(disk)).map((disk) => disk.deviceName),
    ...(hasSeedDisk(spec) ? [seedDevice] : []),
    ...spec.nics.map((nic) => nic.name),
    ...spec.gpus.map((_, index) => `gpu${index}`),
  ]
  const spares = Math.max(0, Math.min(spareSlots, lastSlot - firstSlot + 1 - devices.length))
  const named = [...devices, ...Array.from({ length: spares }, (_, index) => `spare${index}`)]
  return create(PinnedSchema, {
    machineType: facts.machineType,
    // Under TCG `max` is what the emulator can; under KVM passthrough guests want the real one.
    cpuModel: facts.accelerator === 'kvm' ? 'host' : 'max',
    accelerator: facts.accelerator,
    runAsUid: facts.runAsUid,
    nicQueues: Math.min(spec.vcpus, mostNicQueues),
    slots: named.map((device, index) => ({ device, slot: firstSlot + index })),
  })
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

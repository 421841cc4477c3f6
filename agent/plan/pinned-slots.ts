// Places of devices on a guest's PCI buses.
import { create } from '@bufbuild/protobuf'
import { type PinnedSlot, PinnedSlotSchema } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { GuestTopology } from './guest-topology.ts'

/** For devices that come later: a hot-plugged disk needs a port that was there at boot. */
const spareSlots = 8
/** Slot 0 is the host bridge; those from 31 on are the chipset's. */
const firstSlot = 1
const lastSlot = 30
const slotsPerRootBus = 32

export const rootBusOf = (slot: number) => Math.floor(slot / slotsPerRootBus)
export const placeOf = (slot: number) => slot % slotsPerRootBus

export interface SlotPlan {
  readonly slots: PinnedSlot[]
  /** On pcie.0, of what carries each further root bus. */
  readonly expanderSlots: readonly number[]
}

/** In the order of the devices, each behind a root port of its own, then the spares. Those that are kept stay where they are. */
export function planSlots(plan: {
  readonly kept: readonly PinnedSlot[]
  readonly devices: readonly string[]
  readonly topology: Pick<GuestTopology, 'rootBuses' | 'gpuRootBuses'>
}): SlotPlan {
  const taken = new Set(plan.kept.map(({ slot }) => slot))
  const free = Array.from({ length: lastSlot - firstSlot + 1 }, (_, index) => firstSlot + index).filter(
    (slot) => !taken.has(slot),
  )
  const take = (count: number) => free.splice(0, Math.max(0, count))
  const { rootBuses, gpuRootBuses } = plan.topology
  const lengths = rootBuses.map(() => 0)
  const nextOn = (bus: number) => {
    const place = lengths[bus - 1] ?? 0
    lengths[bus - 1] = place + 1
    return bus * slotsPerRootBus + place
  }
  const at = (device: string, slot: number | undefined) => {
    if (slot === undefined) throw new Error(`The machine has no slot for ${device}.`)
    return create(PinnedSlotSchema, { device, slot })
  }
  const slots = [
    ...plan.kept,
    ...plan.devices.map((device) => at(device, take(1)[0])),
    ...gpuRootBuses.map((bus, index) => at(`gpu${index}`, bus === 0 ? take(1)[0] : nextOn(bus))),
  ]
  const spares = take(Math.min(spareSlots, free.length - rootBuses.length))
  return {
    slots: [...slots, ...spares.map((slot, index) => at(`spare${index}`, slot))],
    expanderSlots: take(rootBuses.length),
  }
}

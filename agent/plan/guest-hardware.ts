// What of the host's hardware a guest with passed-through devices runs on, at one start: from its spec, its pinned machine,
// the host's facts and what others hold. What the guest sees of it is pinned; the rest may be otherwise at the next start.
import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Pinned } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { type CpuPinning, planPinning } from './cpu-pinning.ts'
import { type GuestMemory, planMemory, planUnboundMemory } from './guest-memory.ts'
import { planTopology } from './guest-topology.ts'
import { type HeldByOthers, type HostHardware, nothingHeld } from './host-hardware.ts'

export interface GuestHardware {
  /** Of each of the guest's cells. */
  readonly memory: readonly GuestMemory[]
  readonly pinning: CpuPinning | undefined
  readonly cpuVendor: string
  /** Of all its devices. */
  readonly barBytes: number | undefined
}

/** undefined where the pinned machine says nothing of hardware: the guest has no GPU, or the host's was not known. */
export function planGuestHardware(plan: {
  readonly spec: InstanceSpec
  readonly pinned: Pinned
  readonly hardware: HostHardware | undefined
  readonly held?: HeldByOthers
}): GuestHardware | undefined {
  const { spec, hardware, held = nothingHeld } = plan
  const pinned = plan.pinned.hardware
  if (!pinned) return undefined
  const nodeIds = hardware ? planTopology(spec, hardware).nodeIds : []
  if (!hardware || nodeIds.length !== pinned.cells) {
    return {
      memory: planUnboundMemory(spec, pinned.cells),
      pinning: undefined,
      cpuVendor: '',
      barBytes: undefined,
    }
  }
  const at = { spec, pinned, nodeIds, hardware, held }
  const bars = spec.gpus.flatMap(({ address }) => hardware.devices.get(address)?.bars ?? [])
  return {
    ...{ memory: planMemory(at), pinning: planPinning(at), cpuVendor: hardware.cpuVendor },
    barBytes: bars.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

// What of the host's hardware a guest runs on that has passed-through devices or cells, at one start: from its spec, its
// pinned machine, the host's facts and what others hold. What the guest sees of it is pinned; the rest may be otherwise at
// the next start.
import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Pinned } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { type CpuPinning, planConfinement, planPinning } from './cpu-pinning.ts'
import { type GuestMemory, planMemory, planUnboundMemory } from './guest-memory.ts'
import { planTopology } from './guest-topology.ts'
import { type HeldByOthers, type HostHardware, nothingHeld } from './host-hardware.ts'
import { readToldCells } from './told-cells.ts'

export interface GuestHardware {
  /** NUMA nodes of the host that it is bound to, if any. */
  readonly nodeIds: readonly number[]
  /** Of each of the guest's cells; of one that sees none, memory is where the CPUs are that first touch it. */
  readonly memory: readonly GuestMemory[]
  readonly pinning: CpuPinning | undefined
  readonly cpuVendor: string
  /** Of all its devices. */
  readonly barBytes: number | undefined
}

/** undefined where the guest is bound to nothing: it has neither GPUs nor cells, or the host's were not known. */
export function planGuestHardware(plan: {
  readonly spec: InstanceSpec
  readonly pinned: Pinned
  readonly hardware: HostHardware | undefined
  readonly held?: HeldByOthers
}): GuestHardware | undefined {
  const { spec, hardware, held = nothingHeld } = plan
  const pinned = plan.pinned.hardware
  if (!pinned) return planWithoutDevices({ spec, hardware, held })
  const nodeIds = hardware ? planTopology(spec, hardware).nodeIds : []
  if (!hardware || nodeIds.length !== pinned.cells) {
    return {
      nodeIds: [],
      memory: planUnboundMemory(spec, pinned.cells),
      pinning: undefined,
      cpuVendor: '',
      barBytes: undefined,
    }
  }
  const at = { spec, pinned, nodeIds, hardware, held }
  const bars = spec.gpus.flatMap(({ address }) => hardware.devices.get(address)?.bars ?? [])
  return {
    ...{ nodeIds, memory: planMemory(at), pinning: planPinning(at), cpuVendor: hardware.cpuVendor },
    barBytes: bars.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

function planWithoutDevices(plan: {
  readonly spec: InstanceSpec
  readonly hardware: HostHardware | undefined
  readonly held: HeldByOthers
}): GuestHardware | undefined {
  const { spec, hardware, held } = plan
  if (!hardware || spec.gpus.length > 0) return undefined
  const told = readToldCells(spec, hardware)
  if (told.kind !== 'in') return undefined
  const { nodeIds } = told
  const pinning = planConfinement({ spec, nodeIds, hardware, held })
  return { nodeIds, memory: [], pinning, cpuVendor: '', barBytes: undefined }
}

// CPUs, memory and PCI buses of a guest in QEMU's words. What pinned hardware adds is for guests with passed-through devices.
import type { Pinned } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { GuestMemory } from './guest-memory.ts'
import { mostRootBuses } from './guest-topology.ts'
import type { MachinePlan } from './machine-plan.ts'
import { planPhysBits } from './mmio-window.ts'
import { placeOf, rootBusOf } from './pinned-slots.ts'

export type HardwarePlan = Pick<MachinePlan, 'spec' | 'pinned' | 'hardware'>

export const cellsOf = ({ hardware }: Pinned) => Math.max(1, hardware?.cells ?? 1)

/** One socket for each cell; vCPUs are numbered by socket, core and thread. */
export function topologyOf({ spec, pinned }: Pick<HardwarePlan, 'spec' | 'pinned'>) {
  const sockets = cellsOf(pinned)
  const threads = Math.max(1, pinned.hardware?.threadsPerCore ?? 1)
  return { sockets, cores: spec.vcpus / sockets / threads, threads }
}

export function smpOption(plan: HardwarePlan): string {
  const { sockets, cores, threads } = topologyOf(plan)
  return `${plan.spec.vcpus},sockets=${sockets},cores=${cores},threads=${threads}`
}

/** Without it an AMD processor's threads are cores to its guest. */
export const needsTopologyFeature = ({ pinned, hardware }: Pick<HardwarePlan, 'pinned' | 'hardware'>) =>
  pinned.accelerator === 'kvm' &&
  (pinned.hardware?.threadsPerCore ?? 1) > 1 &&
  hardware?.cpuVendor === 'AuthenticAMD'

export function cpuOptions(plan: HardwarePlan): string {
  const { spec, pinned } = plan
  if (!pinned.hardware) return ''
  const mmio64Mib = Number(pinned.hardware.mmio64Mib)
  if (pinned.accelerator !== 'kvm') return `,phys-bits=${planPhysBits(spec.memoryMib, mmio64Mib)}`
  return `,host-phys-bits=on${needsTopologyFeature(plan) ? ',topoext=on' : ''}`
}

/** A guest of a single cell that is nowhere in particular has no NUMA, but its memory is as said all the same. */
export const memoryOption = ({ pinned }: HardwarePlan): string =>
  pinned.hardware?.cells === 0 ? ',memory-backend=cell0' : ''

export function memoryArgs({ spec, pinned, hardware }: HardwarePlan): readonly string[] {
  if (!pinned.hardware) return []
  if (!hardware) throw new Error(`Instance ${spec.uid} has pinned hardware and no plan for it.`)
  const perCell = spec.vcpus / cellsOf(pinned)
  return hardware.memory.flatMap((memory, cell) => [
    ...['-object', memoryBackend(memory, cell)],
    ...(pinned.hardware?.cells === 0
      ? []
      : ['-numa', `node,nodeid=${cell},cpus=${cpuRange(cell * perCell, perCell)},memdev=cell${cell}`]),
  ])
}

export const cpuRange = (first: number, count: number) =>
  count === 1 ? `${first}` : `${first}-${first + count - 1}`

function memoryBackend(memory: GuestMemory, cell: number): string {
  const { sizeMib, pageMib, nodeId, isBound, preallocThreads } = memory
  // A memfd needs no mount of huge pages that the guest's user may write to.
  const kind = pageMib === 0 ? 'memory-backend-ram' : 'memory-backend-memfd'
  return [
    `${kind},id=cell${cell},size=${sizeMib}M`,
    ...(pageMib === 0 ? [] : [`hugetlb=on,hugetlbsize=${pageMib}M`]),
    `prealloc=on,prealloc-threads=${preallocThreads}`,
    ...(nodeId === undefined ? [] : [`host-nodes=${nodeId},policy=${isBound ? 'bind' : 'preferred'}`]),
  ].join(',')
}

const firstBusNumber = 32
const busNumbersEach = (256 - firstBusNumber) / mostRootBuses
/** Of the root buses beside the chipset's, in order. */
export const busNumberOf = (index: number) => firstBusNumber + index * busNumbersEach
/** Of a port, and with its slot unique. */
export const chassisOf = (slot: number) => (rootBusOf(slot) === 0 ? slot : 31 + rootBusOf(slot))

/** The window for large BARs, and the root buses that stand for the host's other root complexes. */
export function rootBusArgs({ pinned }: HardwarePlan): readonly string[] {
  const { mmio64Mib = 0n, rootBuses = [] } = pinned.hardware ?? {}
  return [
    ...(mmio64Mib === 0n ? [] : ['-global', `q35-pcihost.pci-hole64-size=${mmio64Mib}M`]),
    ...rootBuses.flatMap(({ slot, cell }, index) => [
      '-device',
      [
        `pxb-pcie,id=root${index + 1},bus=pcie.0,addr=0x${slot.toString(16)}`,
        `bus_nr=${busNumberOf(index)}`,
        ...(cell === 0 ? [] : [`numa_node=${cell - 1}`]),
      ].join(','),
    ]),
  ]
}

/**
 * Each device alone behind a port of its own: what is unplugged or reset takes nothing with it. A port is as wide as what is
 * behind it when the guest boots; nothing need be reserved for a GPU, for none is ever plugged into a guest that runs.
 */
export function rootPort(slot: number): readonly string[] {
  const bus = rootBusOf(slot)
  const addr = `addr=0x${placeOf(slot).toString(16)}`
  const at = `bus=${bus === 0 ? 'pcie.0' : `root${bus}`},chassis=${chassisOf(slot)},slot=${slot},${addr}`
  return ['-device', `pcie-root-port,id=port${slot},${at}`]
}

// CPUs and memory of a guest in libvirt's words.
import { renderCpuList } from '../../proto/cpu-list.ts'
import type { GuestMemory } from './guest-memory.ts'
import type { MachinePlan } from './machine-plan.ts'
import { planPhysBits } from './mmio-window.ts'
import { cellsOf, cpuRange, needsTopologyFeature, topologyOf } from './qemu-hardware.ts'
import { type Element, element } from './xml.ts'

export function cpuElement(plan: MachinePlan): Element {
  const { spec, pinned } = plan
  const mode = pinned.cpuModel === 'host' ? 'host-passthrough' : 'maximum'
  const { sockets, cores, threads } = topologyOf(plan)
  return element(
    'cpu',
    { mode, check: 'none' },
    element('topology', { sockets, dies: 1, cores, threads }),
    addressBits(plan),
    needsTopologyFeature(plan) ? element('feature', { policy: 'require', name: 'topoext' }) : undefined,
    (pinned.hardware?.cells ?? 0) === 0 ? undefined : element('numa', {}, ...cells(plan, spec.vcpus)),
  )
}

function addressBits({ spec, pinned }: MachinePlan): Element | undefined {
  if (!pinned.hardware) return undefined
  if (pinned.accelerator === 'kvm') return element('maxphysaddr', { mode: 'passthrough' })
  const bits = planPhysBits(spec.memoryMib, Number(pinned.hardware.mmio64Mib))
  return element('maxphysaddr', { mode: 'emulate', bits })
}

function cells(plan: MachinePlan, vcpus: number): readonly Element[] {
  const perCell = vcpus / cellsOf(plan.pinned)
  return memoryOf(plan).map(({ sizeMib }, id) =>
    element('cell', { id, cpus: cpuRange(id * perCell, perCell), memory: sizeMib, unit: 'MiB' }),
  )
}

/** Where the guest's memory comes from: pages, cells of the host, and that all of it is there before the guest is. */
export function memoryElements(plan: MachinePlan): readonly (Element | undefined)[] {
  if (!plan.pinned.hardware) return []
  const memory = memoryOf(plan)
  const hasCells = plan.pinned.hardware.cells > 0
  const pages = memory.flatMap(({ pageMib }, cell) =>
    pageMib === 0
      ? []
      : [element('page', { size: pageMib, unit: 'M', nodeset: hasCells ? cell : undefined })],
  )
  const threads = Math.max(...memory.map(({ preallocThreads }) => preallocThreads))
  return [
    element(
      'memoryBacking',
      {},
      pages.length === 0 ? undefined : element('hugepages', {}, ...pages),
      // A memfd needs no mount of huge pages that the guest's user may write to.
      pages.length === 0 ? undefined : element('source', { type: 'memfd' }),
      element('allocation', { mode: 'immediate', threads }),
    ),
    tuning(memory, hasCells),
  ]
}

function tuning(memory: readonly GuestMemory[], hasCells: boolean): Element | undefined {
  const places = memory.flatMap(({ nodeId, isBound }, cellid) =>
    nodeId === undefined ? [] : [{ cellid, mode: isBound ? 'strict' : 'preferred', nodeset: nodeId }],
  )
  if (places.length === 0) return undefined
  if (hasCells) return element('numatune', {}, ...places.map((place) => element('memnode', place)))
  return element('numatune', {}, ...places.map(({ mode, nodeset }) => element('memory', { mode, nodeset })))
}

/**
 * Else libvirt has QEMU fill memory by threads near it, for which QEMU asks the kernel for a node's CPUs: Debian's AppArmor
 * profile of guests does not let it, and QEMU gives up. Where the memory comes from is the same.
 */
export const fillingAnywhere = ({ pinned }: MachinePlan): readonly Element[] =>
  pinned.hardware
    ? [element('qemu:capabilities', {}, element('qemu:del', { capability: 'thread-context' }))]
    : []

function memoryOf({ spec, hardware }: MachinePlan): readonly GuestMemory[] {
  if (!hardware) throw new Error(`Instance ${spec.uid} has pinned hardware and no plan for it.`)
  return hardware.memory
}

export function pinningElement({ hardware }: MachinePlan): Element | undefined {
  if (!hardware?.pinning) return undefined
  const { vcpus, emulator } = hardware.pinning
  return element(
    'cputune',
    {},
    ...vcpus.map((cpus, vcpu) => element('vcpupin', { vcpu, cpuset: renderCpuList(cpus) })),
    element('emulatorpin', { cpuset: renderCpuList(emulator) }),
  )
}

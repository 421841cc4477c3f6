// Which host CPUs run a guest. With passed-through devices: its vCPUs on whole cores near its memory and its devices, where
// no other guest is pinned, and QEMU's own threads beside them. Plain data; the hypervisor driver applies it.
import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { PinnedHardware } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { GuestTopology } from './guest-topology.ts'
import { cellOf, cpusOf, type HeldByOthers, type HostCell, type HostHardware } from './host-hardware.ts'

export interface CpuPinning {
  /** Of each vCPU, in order: the host CPUs that it may run on. */
  readonly vcpus: readonly (readonly number[])[]
  /** Each vCPU has one of its own; false where too few whole cores were free. */
  readonly isExclusive: boolean
  /** Of all other threads of QEMU. */
  readonly emulator: readonly number[]
}

/**
 * As the host's where the vCPUs of each cell fill whole cores: then threads that share a core there share one here, and the
 * guest's own scheduler knows. Otherwise each vCPU is a core.
 */
export function planThreadsPerCore(
  spec: Pick<InstanceSpec, 'vcpus'>,
  { nodeIds }: Pick<GuestTopology, 'nodeIds'>,
  hardware: HostHardware,
): number {
  const threads = new Set(nodeIds.map((nodeId) => threadsOf(cellOf(hardware, nodeId))))
  const [perCore] = threads
  if (perCore === undefined || threads.size > 1) return 1
  return (spec.vcpus / nodeIds.length) % perCore === 0 ? perCore : 1
}

/** undefined where the guest is bound to no cell: it runs anywhere. */
export function planPinning(plan: {
  readonly spec: Pick<InstanceSpec, 'vcpus'>
  readonly pinned: PinnedHardware
  readonly nodeIds: readonly number[]
  readonly hardware: HostHardware
  readonly held: HeldByOthers
}): CpuPinning | undefined {
  const { nodeIds, hardware, held } = plan
  if (nodeIds.length === 0) return undefined
  const cells = nodeIds.map((nodeId) => cellOf(hardware, nodeId))
  const perCell = plan.spec.vcpus / cells.length
  const cores = cells.map((cell) => freeCores(cell, held))
  const { threadsPerCore } = plan.pinned
  const wantedCores = perCell / threadsPerCore
  const isExclusive = cells.every(
    (cell, index) => threadsOf(cell) === threadsPerCore && (cores[index]?.length ?? 0) >= wantedCores,
  )
  // Linux numbers the first cores first and puts its own work there: they are the last to go.
  const own = cores.map((free) => free.slice(-wantedCores))
  const vcpus = isExclusive
    ? own.flat(2).map((cpu) => [cpu])
    : cells.flatMap((cell) => Array.from({ length: perCell }, () => unheld(cpusOf(cell), held)))
  const pinnedTo = new Set(isExclusive ? own.flat(2) : [])
  const rest = unheld(cells.flatMap(cpusOf), held).filter((cpu) => !pinnedTo.has(cpu))
  return { vcpus, isExclusive, emulator: rest.length > 0 ? rest : cells.flatMap(cpusOf) }
}

/** Of a guest without devices of its own: in its cells beside others, but not where one has CPUs of its own. */
export function planConfinement(plan: {
  readonly spec: Pick<InstanceSpec, 'vcpus'>
  readonly nodeIds: readonly number[]
  readonly hardware: HostHardware
  readonly held: HeldByOthers
}): CpuPinning {
  const { spec, nodeIds, hardware, held } = plan
  const cpus = unheld(
    nodeIds.flatMap((nodeId) => cpusOf(cellOf(hardware, nodeId))),
    held,
  )
  return { vcpus: Array.from({ length: spec.vcpus }, () => cpus), isExclusive: false, emulator: cpus }
}

/** CPUs that are the guest's own for as long as it runs. */
export const ownCpus = (pinning: CpuPinning | undefined): readonly number[] =>
  pinning?.isExclusive ? pinning.vcpus.flat() : []

const freeCores = (cell: HostCell, { cpus }: HeldByOthers) =>
  cell.cores.filter((core) => core.every((cpu) => !cpus.has(cpu)))

/** All of them where all are held: slow is better than not at all. */
function unheld(cpus: readonly number[], held: HeldByOthers): readonly number[] {
  const free = cpus.filter((cpu) => !held.cpus.has(cpu))
  return free.length > 0 ? free : cpus
}

const threadsOf = ({ cores }: HostCell) => Math.min(...cores.map((core) => core.length))

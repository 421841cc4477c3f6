// Where a guest's devices are, as the host has them: which NUMA cell, which root complex. Software in the guest chooses by
// it which CPUs feed a GPU and which GPUs talk to each other directly; a flat machine would tell it that all ways are alike.
import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { HostHardware } from './host-hardware.ts'
import { haveRoom, readToldCells } from './told-cells.ts'

export interface GuestTopology {
  /** The host's NUMA node behind each of the guest's cells. Empty where nothing binds the guest to some: it has one. */
  readonly nodeIds: readonly number[]
  /** Root buses beside pcie.0; none where one root complex has all devices and the guest one cell: there pcie.0 says as much. */
  readonly rootBuses: readonly GuestRootBus[]
  /** Of each GPU, in the order of the spec: 0 for pcie.0, n for the n-th of rootBuses. */
  readonly gpuRootBuses: readonly number[]
}

export interface GuestRootBus {
  /** Of the guest, counted from 0; undefined where the host's is unknown. */
  readonly cell: number | undefined
}

/** Bus numbers end at 255: pcie.0 and its ports have those below 32, each further root bus has 16. */
export const mostRootBuses = 14

type Resources = Pick<InstanceSpec, 'gpus' | 'vcpus' | 'memoryMib' | 'cells'>

export function planTopology(spec: Resources, hardware: HostHardware): GuestTopology {
  const nodeIds = planCells(spec, hardware)
  const nodes = spec.gpus.map(({ address }) => nodeOf(address, hardware))
  const complexes = spec.gpus.map(({ address }) => rootComplexOf(address, hardware))
  const keys = new Set(complexes).size <= mostRootBuses ? complexes : nodes.map(String)
  const distinct = [...new Set(keys)]
  if (distinct.length < 2 && nodeIds.length < 2) {
    return { nodeIds, rootBuses: [], gpuRootBuses: keys.map(() => 0) }
  }
  const rootBuses = distinct.map((key): GuestRootBus => {
    const cell = nodeIds.indexOf(nodes[keys.indexOf(key)] ?? -1)
    return { cell: cell < 0 ? undefined : cell }
  })
  return { nodeIds, rootBuses, gpuRootBuses: keys.map((key) => distinct.indexOf(key) + 1) }
}

/**
 * Those that the scheduler has chosen; else the cells of the guest's GPUs where they have room for it, or all of the host's.
 * vCPUs and memory are divided evenly: a guest that can't be, or of whose GPUs one is nowhere in particular, is not divided
 * at all.
 */
function planCells(spec: Resources, hardware: HostHardware): readonly number[] {
  const told = readToldCells(spec, hardware)
  if (told.kind === 'in') return told.nodeIds
  if (told.kind === 'anywhere') return []
  const nodes = spec.gpus.map(({ address }) => nodeOf(address, hardware))
  if (nodes.length === 0 || nodes.includes(-1)) return []
  const all = hardware.cells.map(({ nodeId }) => nodeId)
  const near = all.filter((nodeId) => nodes.includes(nodeId))
  return [near, all].find((nodeIds) => haveRoom(spec, hardware, nodeIds)) ?? []
}

/** The kernel of a host with one cell often names none: there is no other. */
function nodeOf(address: string, { cells, devices }: HostHardware): number {
  const named = devices.get(address)?.numaNode ?? -1
  if (cells.some(({ nodeId }) => nodeId === named)) return named
  return cells.length === 1 ? (cells[0]?.nodeId ?? -1) : -1
}

/**
 * Domain and bus at which the device hangs in the end. Devices behind one switch have the same, so they share a root bus
 * in the guest as well, each behind a port of its own. The switch itself is not shown: where devices are isolated, ACS
 * sends what they say to each other up to the root complex, and a switch would promise a shorter way.
 */
function rootComplexOf(address: string, { devices }: HostHardware): string {
  return (devices.get(address)?.path[0] ?? address).slice(0, '0000:00'.length)
}

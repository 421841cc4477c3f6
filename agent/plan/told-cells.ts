// The NUMA cells that the scheduler has counted a guest in. It counts by what it was told of the host, which may have become
// another since: a guest that can't be there is planned as one of which nothing was said.
import { divideGuest } from '../../proto/cell-shares.ts'
import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { cpusOf, type HostHardware } from './host-hardware.ts'

type Told = Pick<InstanceSpec, 'vcpus' | 'memoryMib' | 'cells'>

export type ToldCells =
  | { readonly kind: 'none' }
  /** It has what was left here and there, which no guest can be divided by. */
  | { readonly kind: 'anywhere' }
  | { readonly kind: 'in'; readonly nodeIds: readonly number[] }
  | { readonly kind: 'no-room'; readonly message: string }

export function readToldCells(spec: Told, hardware: HostHardware): ToldCells {
  const { cells } = spec
  if (cells.length === 0) return { kind: 'none' }
  const parts = divideGuest(spec, cells.length) ?? []
  const isEven = cells.every(({ vcpus, memoryMib }, index) => {
    const part = parts[index]
    return vcpus === part?.vcpus && memoryMib === part.memoryMib
  })
  if (!isEven) return { kind: 'anywhere' }
  const nodeIds = cells.map(({ numaNode }) => numaNode)
  const short = nodeIds.find((nodeId) => !hasRoom(spec, hardware, nodeIds, nodeId))
  if (short === undefined) return { kind: 'in', nodeIds }
  return {
    kind: 'no-room',
    message: `The guest was to be on ${nodesInWords(nodeIds)}, and node ${short} is not there or too small for its part: it is planned as if none had been named.`,
  }
}

/** Why a guest that is planned on these nodes is not on those that were named; empty where it is, or none were. */
export function driftOf(spec: Told, hardware: HostHardware | undefined, planned: readonly number[]): string {
  if (spec.cells.length === 0) return ''
  if (hardware === undefined) return 'The NUMA nodes of this host are not known: the guest runs anywhere.'
  const told = readToldCells(spec, hardware)
  if (told.kind === 'no-room') return told.message
  if (told.kind !== 'in' || told.nodeIds.join() === planned.join()) return ''
  return `The guest was to be on ${nodesInWords(told.nodeIds)}, and its machine was made for another number of them: it runs anywhere.`
}

const nodesInWords = (nodeIds: readonly number[]) =>
  `NUMA ${nodeIds.length === 1 ? 'node' : 'nodes'} ${nodeIds.join(', ')}`

/** For a guest in even parts. */
export const haveRoom = (
  spec: Pick<Told, 'vcpus' | 'memoryMib'>,
  hardware: HostHardware,
  nodeIds: readonly number[],
): boolean =>
  nodeIds.length > 0 &&
  spec.vcpus % nodeIds.length === 0 &&
  nodeIds.every((nodeId) => hasRoom(spec, hardware, nodeIds, nodeId))

function hasRoom(
  { vcpus, memoryMib }: Pick<Told, 'vcpus' | 'memoryMib'>,
  { cells }: HostHardware,
  { length }: readonly number[],
  nodeId: number,
): boolean {
  const cell = cells.find((one) => one.nodeId === nodeId)
  return cell !== undefined && memoryMib / length <= cell.memoryMib && vcpus / length <= cpusOf(cell).length
}

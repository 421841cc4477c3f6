// Nodes and pods in the format of the openb trace, as hosts and demands. A guest gets whole GPUs: a request for less than
// one counts as one. What is counted in vCPUs elsewhere is counted in thousandths of them here, as the trace does.
import { readFileSync } from 'node:fs'
import { hostId, pciAddress, zoneId } from '../../proto/ids.ts'
import type { Demand, HostSnapshot, NumaCell } from '../../scheduler/model/placement.ts'

export interface TraceNode {
  readonly cpuMilli: number
  readonly memoryMib: number
  readonly gpus: number
  readonly model: string
}

export interface TracePod {
  readonly cpuMilli: number
  readonly memoryMib: number
  readonly gpus: number
  /** Any where empty. */
  readonly models: readonly string[]
}

const zone = zoneId('bench')
const architecture = 'x86_64'

export function readNodes(path: string): readonly TraceNode[] {
  return readRows(path).map((row) => ({
    cpuMilli: numberIn(row, 'cpu_milli', path),
    memoryMib: numberIn(row, 'memory_mib', path),
    gpus: numberIn(row, 'gpu', path),
    model: row['model'] ?? '',
  }))
}

export function readPods(path: string): readonly TracePod[] {
  return readRows(path).map((row) => ({
    cpuMilli: numberIn(row, 'cpu_milli', path),
    memoryMib: numberIn(row, 'memory_mib', path),
    gpus: Math.ceil(numberIn(row, 'num_gpu', path)),
    models: (row['gpu_spec'] ?? '').split('|').filter(Boolean),
  }))
}

/** No field of the trace is quoted. */
function readRows(path: string): readonly Readonly<Record<string, string>>[] {
  const [head = '', ...lines] = readFileSync(path, 'utf8').trim().split(/\r?\n/)
  const names = head.split(',')
  return lines.map((line) => {
    const fields = line.split(',')
    return Object.fromEntries(names.map((name, index) => [name, fields[index] ?? '']))
  })
}

function numberIn(row: Readonly<Record<string, string>>, name: string, path: string): number {
  const value = Number(row[name])
  if (row[name] === undefined || Number.isNaN(value)) throw new Error(`${path} has a row without ${name}.`)
  return value
}

/** Each node as often as asked. GPUs are on two NUMA nodes, pairs of them below one switch. */
export function hostsOf(
  nodes: readonly TraceNode[],
  replicas: number,
  { hasCells = false }: { readonly hasCells?: boolean } = {},
): readonly HostSnapshot[] {
  return Array.from({ length: replicas }, (_, replica) =>
    nodes.map((node, index) => {
      const host = hostOf(node, `host-${replica}-${index}`)
      return hasCells ? { ...host, cells: [0, 1].map((numaNode) => halfOf(host, numaNode)) } : host
    }),
  ).flat()
}

const halfOf = ({ vcpus, memoryMib }: HostSnapshot, numaNode: number): NumaCell => ({
  numaNode,
  vcpus: { ...vcpus, capacity: vcpus.capacity / 2 },
  memoryMib: { ...memoryMib, capacity: memoryMib.capacity / 2 },
})

function hostOf({ cpuMilli, memoryMib, gpus, model }: TraceNode, id: string): HostSnapshot {
  return {
    ...{ hostId: hostId(id), zone, state: 'ready', connected: true, architecture },
    vcpus: { capacity: cpuMilli, used: 0 },
    memoryMib: { capacity: memoryMib, used: 0 },
    diskGb: { capacity: 100_000, used: 0 },
    devices: Array.from({ length: gpus }, (_, index) => ({
      address: pciAddress(`0000:${(0x10 + index).toString(16)}:00.0`),
      acceleratorType: model,
      numaNode: index < gpus / 2 ? 0 : 1,
      switchId: `switch-${Math.floor(index / 2)}`,
      present: true,
    })),
  }
}

export function demandOf({ cpuMilli, memoryMib, gpus, models }: TracePod, all: readonly string[]): Demand {
  const [type, ...alternatives] = models.length > 0 ? models : all
  if (gpus > 0 && type === undefined) throw new Error('A pod wants GPUs and no node has any.')
  return {
    ...{ zone, architecture, vcpus: cpuMilli, memoryMib, diskGb: 0 },
    gpus: gpus === 0 || type === undefined ? [] : [{ type, count: gpus, alternatives }],
  }
}

export const modelsOf = (nodes: readonly TraceNode[]): readonly string[] => [
  ...new Set(nodes.filter(({ gpus }) => gpus > 0).map(({ model }) => model)),
]

export const gpusIn = (hosts: readonly HostSnapshot[]): number =>
  hosts.reduce((sum, { devices }) => sum + devices.length, 0)

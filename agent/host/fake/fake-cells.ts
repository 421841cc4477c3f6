// CPUs and memory by NUMA node, as the kernel of a simulated host tells of them: computed when it is asked, for a fleet
// has hundreds of thousands of CPUs.
import type { HostShape } from './shape.ts'

const nodes = 'sys/devices/system/node'
const pageSizesKib = [2048, 1_048_576]

type Cells = Pick<HostShape, 'cpus' | 'memoryMib' | 'sockets'>

/** Names in a directory that is about cells. */
export function listCells(shape: Cells, path: string): readonly string[] {
  if (path === nodes) return indexes(shape.sockets ?? 1).map((node) => `node${node}`)
  if (nodeOf(shape, path)?.rest === 'hugepages') return pageSizesKib.map((size) => `hugepages-${size}kB`)
  return []
}

export function readCellAttribute(shape: Cells, path: string): string | undefined {
  const cpu = /^sys\/devices\/system\/cpu\/cpu(\d+)\/topology\/thread_siblings_list$/.exec(path)?.[1]
  if (cpu !== undefined)
    return Number(cpu) < shape.cpus ? siblingsOf(shape, Number(cpu)).join(',') : undefined
  const found = nodeOf(shape, path)
  if (found === undefined) return undefined
  const { node, rest } = found
  const sockets = shape.sockets ?? 1
  if (rest === 'cpulist') {
    const cores = shape.cpus / 2 / sockets
    const first = node * cores
    return [first, first + shape.cpus / 2].map((from) => `${from}-${from + cores - 1}`).join(',')
  }
  if (rest === 'meminfo') return `Node ${node} MemTotal:       ${(shape.memoryMib / sockets) * 1024} kB`
  return /^hugepages\/hugepages-(2048|1048576)kB\/(nr|free)_hugepages$/.test(rest) ? '0' : undefined
}

function siblingsOf({ cpus }: Cells, cpu: number): readonly [number, number] {
  const first = cpu % (cpus / 2)
  return [first, first + cpus / 2]
}

function nodeOf(shape: Cells, path: string): { node: number; rest: string } | undefined {
  const [, node, rest] = /^sys\/devices\/system\/node\/node(\d+)\/(.+)$/.exec(path) ?? []
  if (node === undefined || rest === undefined || Number(node) >= (shape.sockets ?? 1)) return undefined
  return { node: Number(node), rest }
}

const indexes = (count: number) => Array.from({ length: count }, (_, index) => index)

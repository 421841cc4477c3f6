import { create, type MessageInitShape } from '@bufbuild/protobuf'
import {
  type CpuCell,
  CpuCellSchema,
  type CpuCoreSchema,
  type HugepagePoolSchema,
} from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { Sysfs } from '../host/ports.ts'

const system = 'sys/devices/system'

/** By NUMA node; the host as one where its kernel knows no nodes. */
export async function readCpuCells(sysfs: Sysfs): Promise<CpuCell[]> {
  const names = await sysfs.list(`${system}/node`)
  const nodes = names.flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? []).map(Number)
  if (nodes.length === 0) return [await readWholeHost(sysfs)]
  const inOrder = nodes.toSorted((a, b) => a - b)
  return Promise.all(
    inOrder.map((node) => {
      const base = `${system}/node/node${node}`
      return readCell(sysfs, node, {
        cpuList: `${base}/cpulist`,
        memory: `${base}/meminfo`,
        hugepages: `${base}/hugepages`,
      })
    }),
  )
}

const readWholeHost = (sysfs: Sysfs) =>
  readCell(sysfs, 0, {
    cpuList: `${system}/cpu/online`,
    memory: 'proc/meminfo',
    hugepages: 'sys/kernel/mm/hugepages',
  })

async function readCell(
  sysfs: Sysfs,
  numaNode: number,
  paths: { cpuList: string; memory: string; hugepages: string },
): Promise<CpuCell> {
  const [cpuList, memory, hugepages] = await Promise.all([
    sysfs.read(paths.cpuList),
    sysfs.read(paths.memory),
    readHugepages(sysfs, paths.hugepages),
  ])
  const totalKib = Number(/MemTotal:\s+(\d+) kB/.exec(memory ?? '')?.[1] ?? 0)
  return create(CpuCellSchema, {
    numaNode,
    cores: await readCores(sysfs, parseCpuList(cpuList ?? '')),
    memoryMib: BigInt(Math.floor(totalKib / 1024)),
    hugepages,
  })
}

/** A core is asked for once, through the first of its CPUs. */
async function readCores(
  sysfs: Sysfs,
  cpus: readonly number[],
): Promise<MessageInitShape<typeof CpuCoreSchema>[]> {
  const cores: { cpus: number[] }[] = []
  const seen = new Set<number>()
  for (const cpu of cpus) {
    if (seen.has(cpu)) continue
    const siblings = parseCpuList(
      (await sysfs.read(`${system}/cpu/cpu${cpu}/topology/thread_siblings_list`)) ?? '',
    )
    const core = siblings.includes(cpu) ? siblings : [cpu]
    for (const one of core) seen.add(one)
    cores.push({ cpus: core })
  }
  return cores
}

async function readHugepages(
  sysfs: Sysfs,
  directory: string,
): Promise<MessageInitShape<typeof HugepagePoolSchema>[]> {
  const names = await sysfs.list(directory)
  const pools = names.map(async (name) => {
    const pageKib = /^hugepages-(\d+)kB$/.exec(name)?.[1]
    if (pageKib === undefined) return []
    const [pages, freePages] = await Promise.all([
      sysfs.read(`${directory}/${name}/nr_hugepages`),
      sysfs.read(`${directory}/${name}/free_hugepages`),
    ])
    return [{ pageKib: BigInt(pageKib), pages: BigInt(pages ?? 0), freePages: BigInt(freePages ?? 0) }]
  })
  return (await Promise.all(pools)).flat().toSorted((a, b) => Number(a.pageKib - b.pageKib))
}

/** '0-3,8' → [0, 1, 2, 3, 8] */
export function parseCpuList(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [, first, last] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part) ?? []
    if (first === undefined) return []
    const from = Number(first)
    return Array.from({ length: Number(last ?? first) - from + 1 }, (_, index) => from + index)
  })
}

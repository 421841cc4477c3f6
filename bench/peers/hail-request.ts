// What Ganeti hands to its allocator, `hail`: the whole cluster and the wish, as JSON.
import type { HostSnapshot } from '../../scheduler/model/placement.ts'
import { capacity, hostOf, size } from './cluster.ts'

interface Node {
  readonly total_cpus: number
  readonly total_memory: number
  readonly free_memory: number
  readonly total_disk: number
  readonly free_disk: number
}

interface Instance {
  readonly vcpus: number
  readonly nodes?: readonly string[]
}

/** As far as Berth reads it; hail wants more. */
export interface HailRequest {
  readonly [other: string]: unknown
  readonly nodes: Readonly<Record<string, Node>>
  readonly instances: Readonly<Record<string, Instance>>
}

const diskMib = (gb: number) => gb * 1024

/** Allocations of one host each, without a second one that mirrors the disk: that is what an instance of Berth has. */
export function hailRequest(options: {
  readonly hosts: number
  readonly instancesOnEach: number
  readonly wanted: number
}): HailRequest {
  const names = Array.from({ length: options.hosts }, (_, number) => `host-${number}`)
  const wish = (name: string) => ({ ...instance, type: 'allocate', name, required_nodes: 1 })
  const wishes = Array.from({ length: options.wanted }, (_, number) => wish(`new-${number}`))
  return {
    ...{ version: 2, cluster_name: 'bench', cluster_tags: [], enabled_hypervisors: ['kvm'], ipolicy },
    nodegroups: { all: { name: 'all', alloc_policy: 'preferred', tags: [], networks: [], ipolicy } },
    nodes: Object.fromEntries(names.map((name) => [name, nodeOf(options.instancesOnEach)])),
    instances: Object.fromEntries(
      names.flatMap((name) =>
        Array.from({ length: options.instancesOnEach }, (_, number) => [
          `${name}-${number}`,
          { ...instance, nodes: [name], admin_state: 'up', forthcoming: false },
        ]),
      ),
    ),
    request: options.wanted === 1 ? wishes[0] : { type: 'multi-allocate', instances: wishes },
  }
}

const instance = {
  ...{ vcpus: size.vcpus, memory: size.memoryMib, disk_space_total: diskMib(size.diskGb) },
  ...{ disks: [{ mode: 'w', size: diskMib(size.diskGb) }], disk_template: 'plain', spindle_use: 1 },
  ...{ os: 'none', nics: [], tags: [], hypervisor: 'kvm' },
}

const nodeOf = (instances: number) => ({
  ...{ total_cpus: capacity.vcpus, reserved_cpus: 0, total_memory: capacity.memoryMib, reserved_memory: 0 },
  free_memory: capacity.memoryMib - instances * size.memoryMib,
  total_disk: diskMib(capacity.diskGb),
  free_disk: diskMib(capacity.diskGb - instances * size.diskGb),
  ...{ total_spindles: 0, free_spindles: 0, i_pri_memory: 0, i_pri_up_memory: 0 },
  ...{ group: 'all', offline: false, drained: false, vm_capable: true, tags: [] },
  ...{ master_capable: true, master_candidate: false, primary_ip: '192.0.2.1', secondary_ip: '192.0.2.1' },
  ndparams: { spindle_count: 1, exclusive_storage: false, oob_program: null, cpu_speed: 1 },
})

const limits = (cpus: number, memoryMib: number, disk: number, several: number) => ({
  ...{ 'cpu-count': cpus, 'memory-size': memoryMib, 'disk-size': disk },
  ...{ 'disk-count': several, 'nic-count': several, 'spindle-use': several },
})
const ipolicy = {
  minmax: [
    {
      min: limits(1, 128, 1024, 1),
      max: limits(capacity.vcpus, capacity.memoryMib, diskMib(capacity.diskGb), 12),
    },
  ],
  std: limits(size.vcpus, size.memoryMib, diskMib(size.diskGb), 1),
  ...{ 'disk-templates': ['plain'], 'vcpu-ratio': 1, 'spindle-ratio': 100 },
}

/** The same cluster for Berth. */
export function hostsIn({ nodes, instances }: HailRequest): readonly HostSnapshot[] {
  const counts = new Map<string, number>()
  for (const { nodes: [name = ''] = [] } of Object.values(instances)) {
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return Object.keys(nodes).map((name) => hostOf(name, counts.get(name) ?? 0))
}

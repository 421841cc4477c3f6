import { type Exec, ExecError, type Sysfs } from '../host/ports.ts'

/** What placement and drivers may ask of a host; each name is part of the contract. */
export type HostFeature = 'iommu' | 'hugepages-1g' | 'vhost-net' | 'vlan-filtering'

export async function readFeatures(options: { exec: Exec; sysfs: Sysfs }): Promise<HostFeature[]> {
  const { exec, sysfs } = options
  const [groups, hugepages, miscDevices, filtersVlans] = await Promise.all([
    sysfs.list('sys/kernel/iommu_groups'),
    sysfs.read('sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages'),
    sysfs.list('sys/class/misc'),
    readVlanFiltering(exec),
  ])
  const present: Readonly<Record<HostFeature, boolean>> = {
    iommu: groups.length > 0,
    'hugepages-1g': Number(hugepages ?? 0) > 0,
    'vhost-net': miscDevices.includes('vhost-net'),
    'vlan-filtering': filtersVlans,
  }
  return (Object.keys(present) as HostFeature[]).filter((feature) => present[feature])
}

/** Tried in a network namespace that ends with the program: the kernel doesn't tell otherwise what it was built with. */
async function readVlanFiltering(exec: Exec): Promise<boolean> {
  try {
    const bridge = ['ip', 'link', 'add', 'name', 'probe', 'type', 'bridge', 'vlan_filtering', '1']
    await exec.run('unshare', ['--net', ...bridge])
    return true
  } catch (thrown) {
    if (thrown instanceof ExecError) return false
    throw thrown
  }
}

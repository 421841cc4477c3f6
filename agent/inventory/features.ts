import { type Exec, ExecError, type Sysfs } from '../host/ports.ts'

/** What placement and drivers may ask of a host; each name is part of the contract. */
export type HostFeature = 'iommu' | 'hugepages-1g' | 'vhost-net' | 'vlan' | 'stateful-filter'

export async function readFeatures(options: { exec: Exec; sysfs: Sysfs }): Promise<HostFeature[]> {
  const { exec, sysfs } = options
  const [groups, hugepages, miscDevices, carriesVlans, tracksConnections] = await Promise.all([
    sysfs.list('sys/kernel/iommu_groups'),
    sysfs.read('sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages'),
    sysfs.list('sys/class/misc'),
    readVlans(exec),
    readStatefulFilter(exec),
  ])
  const present: Readonly<Record<HostFeature, boolean>> = {
    iommu: groups.length > 0,
    'hugepages-1g': Number(hugepages ?? 0) > 0,
    'vhost-net': miscDevices.includes('vhost-net'),
    vlan: carriesVlans,
    'stateful-filter': tracksConnections,
  }
  return (Object.keys(present) as HostFeature[]).filter((feature) => present[feature])
}

/** Tried in a network namespace that ends with the program: the kernel doesn't tell otherwise what it was built with. */
const readVlans = (exec: Exec) =>
  succeeds(exec, 'unshare', ['--net', 'ip', '-batch', '-'], {
    stdin: 'link add name probe type bridge\nlink add link probe name probe.2 type vlan id 2\n',
  })

/** Whether a rule set of family bridge can ask for the state of a connection and put it into a zone. */
const readStatefulFilter = (exec: Exec) =>
  succeeds(exec, 'unshare', ['--net', 'nft', '-f', '-'], {
    stdin: [
      'table bridge probe {',
      '  chain probe {',
      '    type filter hook prerouting priority -300; policy accept;',
      '    meta ibrname "probe" ct zone set 1',
      '    ct state established accept',
      '  }',
      '}',
      '',
    ].join('\n'),
  })

async function succeeds(exec: Exec, ...call: Parameters<Exec['run']>): Promise<boolean> {
  try {
    await exec.run(...call)
    return true
  } catch (thrown) {
    if (thrown instanceof ExecError) return false
    throw thrown
  }
}

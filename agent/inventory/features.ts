import { basename, dirname } from 'node:path'
import type { Exec, Sysfs } from '../host/ports.ts'
import { uefi } from '../plan/firmware.ts'
import { type GatewaySettings, transferNet } from '../plan/gateway.ts'
import { renderGatewayInside, renderGatewayOutside } from '../plan/gateway-ruleset.ts'
import { egressLimitArgs, renderIngressLimit } from '../plan/rate-limit.ts'
import { succeeds } from './succeeds.ts'

/** What placement and drivers may ask of a host; each name is part of the contract. */
export type HostFeature =
  | 'iommu'
  | 'hugepages-1g'
  | 'vhost-net'
  | 'vlan'
  | 'stateful-filter'
  | 'nat-gateway'
  | 'rate-limit'
  | 'uefi'

/** What the kernel was seen to do. Each was tried by programs: once, for it is the same until other modules or another kernel. */
export interface TriedKernel {
  readonly carriesVlans: boolean
  readonly tracksConnections: boolean
  readonly translatesAddresses: boolean
  readonly limitsRates: boolean
}

/** Where the operator wants no gateway it is absent. */
type WithGateway<Ports> = Ports & { gateway?: GatewaySettings | undefined }

export async function tryKernel({ exec, gateway }: WithGateway<{ exec: Exec }>): Promise<TriedKernel> {
  const [carriesVlans, tracksConnections, translatesAddresses, limitsRates] = await Promise.all([
    tryVlans(exec),
    tryStatefulFilter(exec),
    gateway !== undefined && tryGateway(exec, gateway),
    tryRateLimit(exec),
  ])
  return { carriesVlans, tracksConnections, translatesAddresses, limitsRates }
}

/** As of now. */
export async function readFeatures(
  tried: TriedKernel,
  { sysfs, gateway }: WithGateway<{ sysfs: Sysfs }>,
): Promise<HostFeature[]> {
  const [groups, hugepages, miscDevices, ovmf, gatewayMtu] = await Promise.all([
    sysfs.list('sys/kernel/iommu_groups'),
    sysfs.read('sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages'),
    sysfs.list('sys/class/misc'),
    sysfs.list(dirname(uefi.code).slice(1)),
    gateway && sysfs.read(`sys/class/net/${gateway.interface}/mtu`),
  ])
  const present: Readonly<Record<HostFeature, boolean>> = {
    iommu: groups.length > 0,
    'hugepages-1g': Number(hugepages ?? 0) > 0,
    'vhost-net': miscDevices.includes('vhost-net'),
    vlan: tried.carriesVlans,
    'stateful-filter': tried.tracksConnections,
    'nat-gateway': tried.translatesAddresses && gatewayMtu !== undefined,
    'rate-limit': tried.limitsRates,
    uefi: [uefi.code, uefi.variables].every((path) => ovmf.includes(basename(path))),
  }
  return (Object.keys(present) as HostFeature[]).filter((feature) => present[feature])
}

/** Tried in a network namespace that ends with the program: the kernel doesn't tell otherwise what it was built with. */
const tryVlans = (exec: Exec) =>
  succeeds(exec, 'unshare', ['--net', 'ip', '-batch', '-'], {
    stdin: 'link add name probe type bridge\nlink add link probe name probe.2 type vlan id 2\n',
  })

/** Whether a rule set of family bridge can ask for the state of a connection and put it into a zone. */
const tryStatefulFilter = (exec: Exec) =>
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

/** Whether the kernel takes the very rules that a gateway needs. */
function tryGateway(exec: Exec, gateway: GatewaySettings): Promise<boolean> {
  const rules = [
    renderGatewayInside({ ipv4Cidr: '192.0.2.0/24' }),
    renderGatewayOutside('probe', gateway, transferNet(0)),
  ]
  return succeeds(exec, 'unshare', ['--net', 'nft', '-f', '-'], { stdin: rules.join('') })
}

/** Both directions, at the only link that a new namespace has. */
async function tryRateLimit(exec: Exec): Promise<boolean> {
  const [rule = ''] = renderIngressLimit(1)
  const chain = `chain probe {\n type filter hook ingress device "lo" priority 0; policy accept;\n ${rule}\n }\n`
  const [isDropped, isQueued] = await Promise.all([
    succeeds(exec, 'unshare', ['--net', 'nft', '-f', '-'], { stdin: `table netdev probe {\n ${chain}}\n` }),
    succeeds(exec, 'unshare', ['--net', 'tc', ...egressLimitArgs('lo', 1)]),
  ])
  return isDropped && isQueued
}

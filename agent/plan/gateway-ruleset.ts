// What a gateway lets through, for `nft -f -`. Guests leave in two steps: in their network's namespace they become its
// transfer address, for two networks may have the same addresses, and on the host the host's own.
import type { Network } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { GatewaySettings, TransferNet } from './gateway.ts'
import {
  gatewayInterfaceName,
  gatewayPortName,
  gatewayTableName,
  serviceInterfaceName,
  sharedGatewayTableName,
} from './names.ts'

/** Of one guest at a time: what is beyond would take the host's memory and ports from the others. */
const connectionsPerGuest = 16_384

/**
 * What is no public address. Private ranges are where operators have their management networks, their schedulers and
 * other tenants, and guests arrive there with the address of a host that these trust: whoever wants it opens it.
 */
const closedRanges = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '172.16.0.0/12', '192.0.0.0/24', '192.168.0.0/16'],
  '198.18.0.0/15',
]
/** Nobody can open these: the host itself, the metadata of a cloud that the host is in, and what is for many. */
const neverRanges = ['127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3']

/** In the network's namespace. Members don't reach each other through it, and nobody outside begins anything. */
export function renderGatewayInside({ ipv4Cidr }: Pick<Network, 'ipv4Cidr'>): string {
  const table = `table ip ${sharedGatewayTableName}`
  const [guests, outside] = [serviceInterfaceName, gatewayInterfaceName]
  const range = checkedRange(ipv4Cidr)
  return [
    ...[table, `delete ${table}`, `${table} {`],
    '  set connections {',
    '    type ipv4_addr; size 65535; flags dynamic;',
    '  }',
    '  chain forward {',
    '    type filter hook forward priority 0; policy drop;',
    `    iifname "${outside}" oifname "${guests}" ct state established,related accept`,
    `    iifname "${guests}" oifname "${outside}" ip saddr ${range} goto outbound`,
    '  }',
    '  chain outbound {',
    '    ct state invalid drop',
    `    ct state new add @connections { ip saddr ct count over ${connectionsPerGuest} } drop`,
    '    accept',
    '  }',
    '  chain input {',
    '    type filter hook input priority 0; policy accept;',
    `    iifname "${outside}" ct state != { established, related } drop`,
    '  }',
    '  chain postrouting {',
    '    type nat hook postrouting priority 100; policy accept;',
    `    oifname "${outside}" ip saddr ${range} masquerade`,
    '  }',
    ...['}', ''],
  ].join('\n')
}

/** On the host. What is refused is told at once, so that nobody waits for it. */
export function renderGatewayOutside(
  networkUid: string,
  { interface: name, allowedRanges, deniedRanges, nameServers }: GatewaySettings,
  { inside }: TransferNet,
): string {
  const table = `table ip ${gatewayTableName(networkUid)}`
  const port = gatewayPortName(networkUid)
  const uplink = checkedInterface(name)
  const refuse = 'reject with icmp type admin-prohibited'
  return [
    ...[table, `delete ${table}`, `${table} {`],
    '  chain forward {',
    '    type filter hook forward priority 0; policy accept;',
    `    iifname "${port}" goto outbound`,
    `    oifname "${port}" goto inbound`,
    '  }',
    '  chain outbound {',
    // Other networks, containers and management are behind other interfaces.
    `    oifname != "${uplink}" ${refuse}`,
    '    ct state established,related accept',
    '    ct state invalid drop',
    ...[...renderRanges(neverRanges), ...renderRanges(deniedRanges)].map((range) => `    ${range} ${refuse}`),
    ...renderRanges(nameServers).map((range) => `    ${range} meta l4proto { tcp, udp } th dport 53 accept`),
    ...renderRanges(allowedRanges).map((range) => `    ${range} accept`),
    ...renderRanges(closedRanges).map((range) => `    ${range} ${refuse}`),
    '    accept',
    '  }',
    '  chain inbound {',
    '    ct state established,related accept',
    '    drop',
    '  }',
    '  chain input {',
    '    type filter hook input priority 0; policy accept;',
    // Whatever address of the host it is for.
    `    iifname "${port}" drop`,
    '  }',
    '  chain postrouting {',
    '    type nat hook postrouting priority 100; policy accept;',
    `    oifname "${uplink}" ip saddr ${inside} masquerade`,
    '  }',
    ...['}', ''],
  ].join('\n')
}

/** On a host that routes nothing but this: what comes in by the interface goes to gateways alone. */
export function renderForwardingGuard(name: string): string {
  const table = `table ip ${sharedGatewayTableName}`
  return [
    ...[table, `delete ${table}`, `${table} {`],
    '  chain forward {',
    '    type filter hook forward priority 0; policy accept;',
    `    iifname "${checkedInterface(name)}" oifname != "${gatewayPortName('')}*" drop`,
    '  }',
    ...['}', ''],
  ].join('\n')
}

/** Removes a table whether or not it is there. */
export function renderGatewayRemoval(tableName: string): string {
  const table = `table ip ${tableName}`
  return `${table}\ndelete ${table}\n`
}

/** A line each: in one set they must not overlap. */
const renderRanges = (ranges: readonly string[]): readonly string[] =>
  ranges.map((range) => `ip daddr ${checkedRange(range)}`)

function checkedRange(range: string): string {
  if (!/^\d{1,3}(\.\d{1,3}){3}(\/\d{1,2})?$/.test(range)) throw new Error(`'${range}' is no range of IPv4.`)
  return range
}

function checkedInterface(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/.test(name)) throw new Error(`'${name}' is no interface.`)
  return name
}

import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Network } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Exec } from '../../host/ports.ts'
import { networkMtu } from '../../plan/dnsmasq-config.ts'
import { bridgeName, filterTableName, servicePortName, uplinkPortName } from '../../plan/names.ts'
import { type Link, readLinks } from './links.ts'
import type { NetworkTrouble, PortPlan } from './port.ts'

/** What the kernel has, read at once for all ports of the host. */
export interface KernelNetwork {
  readonly links: ReadonlyMap<string, Link>
  /** Names of netdev tables that drop what they do not let through. */
  readonly filters: ReadonlySet<string>
}

const chainsSchema = Type.Object({
  nftables: Type.Array(
    Type.Object({
      chain: Type.Optional(
        Type.Object({
          table: Type.String(),
          hook: Type.Optional(Type.String()),
          policy: Type.Optional(Type.String()),
        }),
      ),
    }),
  ),
})

/** Two programs, however many guests there are. */
export async function readKernelNetwork(exec: Exec): Promise<KernelNetwork> {
  const [links, { stdout }] = await Promise.all([
    readLinks(exec),
    exec.run('nft', ['-j', 'list', 'chains', 'netdev']),
  ])
  return { links, filters: parseFilters(JSON.parse(stdout)) }
}

export function parseFilters(listing: unknown): ReadonlySet<string> {
  const { nftables } = Value.Parse(chainsSchema, listing)
  return new Set(
    nftables.flatMap(({ chain }) =>
      chain?.hook === 'ingress' && chain.policy === 'drop' ? [chain.table] : [],
    ),
  )
}

/** What is not as `ensurePort` left it. */
export function findPortTrouble(
  { links, filters }: KernelNetwork,
  port: PortPlan,
): NetworkTrouble | undefined {
  const link = links.get(port.tap)
  if (link === undefined) return { kind: 'tap-gone', tap: port.tap }
  if (!filters.has(filterTableName(port.tap))) return { kind: 'filter-gone', tap: port.tap }
  const mtu = networkMtu(port.network)
  const isIn = link.bridge === bridgeName(port.network.uid) && link.isUp && link.mtu === mtu
  if (!isIn) return { kind: 'port-down', tap: port.tap }
  const isLimited = (port.networkMbps ?? 0) === 0 || link.queueing === 'tbf'
  return isLimited ? undefined : { kind: 'limit-gone', tap: port.tap }
}

/** The links that a network has besides its ports. */
export function hasNetworkLinks({ links, filters }: KernelNetwork, network: Network): boolean {
  const { uid, vlan } = network
  const mtu = networkMtu(network)
  const [bridge, service, uplink] = [bridgeName(uid), servicePortName(uid), uplinkPortName(uid)]
  const isJoined = (port: string) => {
    const link = links.get(port)
    return link?.bridge === bridge && link.isUp && link.isIsolated && link.mtu === mtu
  }
  const middle = links.get(bridge)
  if (middle?.isUp !== true || middle.mtu !== mtu || !isJoined(service)) return false
  return vlan === 0 || (isJoined(uplink) && filters.has(filterTableName(uplink)))
}

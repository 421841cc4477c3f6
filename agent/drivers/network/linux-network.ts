// Owns the network side of a host: a bridge and a service namespace for each network, its VLAN on the uplink, its gateway
// where it has one, a filtered tap for each guest. Not one bridge that knows VLANs: a kernel whose bridges filter VLANs has VLANs of their own too, so
// that one way serves all kernels; a broadcast is copied to the members of its network alone; and a bridge that somebody
// breaks takes one network down.
// In: networks and ports as the scheduler resolved them. Out: the kernel's state, read with `ip -j` before anything is
// changed, and one dnsmasq for each network that outlives the agent.
// It never chooses an address, never puts a host address on a guest network, and never lets a tap up without a filter.

import type { Logger } from '../../../lib/log.ts'
import { createTurns } from '../../../lib/turns.ts'
import type { Network } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Exec, Files, Processes } from '../../host/ports.ts'
import type { UplinkSettings } from '../../inventory/uplinks.ts'
import { type GatewaySettings, hasGateway } from '../../plan/gateway.ts'
import { bridgeName, filterTableName, namespaceName, uplinkPortName } from '../../plan/names.ts'
import type { AgentDirectories } from '../../plan/paths.ts'
import { ensureBridge } from './bridge.ts'
import { createDhcp } from './dhcp.ts'
import { createNetworkFirewall } from './firewall.ts'
import { createGateways } from './gateway.ts'
import { changeLinks, readLinks, removeLink } from './links.ts'
import { ensureNamespace, removeNamespace } from './namespace.ts'
import type { NetworkDriver, NetworkTrouble, PortPlan } from './port.ts'
import { ensureServicePort, removeServicePort } from './service-port.ts'
import { ensureTap, removeTap } from './tap.ts'
import { findPortTrouble, hasNetworkLinks, readKernelNetwork } from './troubles.ts'
import { createUplinkPorts } from './uplink.ts'

export interface LinuxNetworkOptions {
  readonly exec: Exec
  readonly files: Files
  readonly processes: Processes
  readonly directories: AgentDirectories
  readonly uplinks: readonly UplinkSettings[]
  /** Absent where this host is no gateway. */
  readonly gateway?: GatewaySettings | undefined
  readonly log: Logger
}

export function createLinuxNetworkDriver(options: LinuxNetworkOptions): NetworkDriver {
  const { exec } = options
  const log = options.log.child({ component: 'network' })
  const turns = createTurns()
  const dhcp = createDhcp({ ...options, nameServers: options.gateway?.nameServers ?? [], log })
  const firewall = createNetworkFirewall(options)
  const uplinkPorts = createUplinkPorts(options)
  const gateways = createGateways(options)

  const buildNetwork = async (network: Network) => {
    await ensureBridge(exec, network)
    // Before any guest joins.
    await firewall.ensure(network.uid, network.firewall)
    await ensureNamespace(exec, network.uid)
    await ensureServicePort(exec, network)
    await uplinkPorts.ensure(network)
    await gateways.ensure(network)
    await dhcp.ensureServer(network)
  }

  const takeDown = (port: string) =>
    changeLinks(
      () => exec.run('ip', ['link', 'set', 'dev', port, 'down']),
      // It may have gone since, with its guest.
      async () => !(await readLinks(exec)).has(port),
    )

  const findTroubles = async (ports: readonly PortPlan[]): Promise<readonly NetworkTrouble[]> => {
    const kernel = await readKernelNetwork(exec)
    const troubles: NetworkTrouble[] = ports.flatMap((port) => findPortTrouble(kernel, port) ?? [])
    for (const trouble of troubles) {
      if (trouble.kind === 'filter-gone') await takeDown(trouble.tap)
    }
    const networks = new Map(ports.map(({ network }) => [network.uid, network]))
    const [closed, unguarded] = await Promise.all([
      gateways.findBroken([...networks.values()].filter(hasGateway)),
      firewall.findGone([...networks.keys()]),
    ])
    for (const network of networks.values()) {
      const isRight = !closed.has(network.uid) && !unguarded.has(network.uid)
      if (isRight && hasNetworkLinks(kernel, network) && (await dhcp.isAlive(network.uid))) continue
      const uplinkPort = uplinkPortName(network.uid)
      if (kernel.links.has(uplinkPort) && !kernel.filters.has(filterTableName(uplinkPort))) {
        await takeDown(uplinkPort)
      }
      troubles.push({ kind: 'network-broken', networkUid: network.uid })
    }
    return troubles
  }

  const findDeadServices = async (networks: readonly Network[]): Promise<readonly NetworkTrouble[]> => {
    const withGateway = networks.filter(hasGateway)
    const closed = withGateway.length > 0 ? await gateways.findBroken(withGateway) : new Set<string>()
    const troubles: NetworkTrouble[] = []
    for (const { uid } of networks) {
      if (!closed.has(uid) && (await dhcp.isAlive(uid))) continue
      troubles.push({ kind: 'network-broken', networkUid: uid })
    }
    return troubles
  }

  return {
    namespaceOf: namespaceName,
    findTroubles,
    findDeadServices,

    ensureNetwork: (network) => turns.shared(network.uid, () => buildNetwork(network)),

    ensureMembers: (networkUid, members) =>
      turns.alone(networkUid, () => dhcp.ensureMembers(networkUid, members)),

    ensurePort: async (port, onTap) => {
      await ensureTap(exec, port, onTap)
      await turns.alone(port.network.uid, async () => {
        await uplinkPorts.addMember(port)
        await dhcp.ensureHost(port)
      })
      log.info({ instanceUid: port.instanceUid, tap: port.tap }, 'A port is connected.')
    },

    removePort: async ({ tap, networkUid }) => {
      await removeTap(exec, tap)
      await turns.alone(networkUid, async () => {
        await uplinkPorts.removeMember(networkUid, tap)
        await dhcp.removeHost(networkUid, tap)
      })
    },

    removeNetwork: (networkUid) =>
      turns.alone(networkUid, async () => {
        await firewall.remove(networkUid)
        await gateways.remove(networkUid)
        await uplinkPorts.remove(networkUid)
        await dhcp.removeServer(networkUid)
        await removeServicePort(exec, networkUid)
        await removeNamespace(exec, networkUid)
        await removeLink(exec, bridgeName(networkUid))
      }),
  }
}

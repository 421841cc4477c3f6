// Owns the network side of a host: a bridge and a service namespace for each network, a filtered tap for each guest.
// In: networks and ports as the scheduler resolved them. Out: the kernel's state, read with `ip -j` before anything is
// changed, and one dnsmasq for each network that outlives the agent.
// It never chooses an address, never puts a host address on a guest network, and never lets a tap up without a filter.

import type { Logger } from '../../../lib/log.ts'
import { createTurns } from '../../../lib/turns.ts'
import type { Network } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Exec, Files, Processes } from '../../host/ports.ts'
import { bridgeName, namespaceName } from '../../plan/names.ts'
import type { AgentDirectories } from '../../plan/paths.ts'
import { ensureBridge } from './bridge.ts'
import { createDhcp } from './dhcp.ts'
import { createNetworkFirewall } from './firewall.ts'
import { changeLinks, readLinks, removeLink } from './links.ts'
import { ensureNamespace, removeNamespace } from './namespace.ts'
import type { NetworkDriver, NetworkTrouble, PortPlan } from './port.ts'
import { ensureServicePort, removeServicePort } from './service-port.ts'
import { ensureTap, removeTap } from './tap.ts'
import { findPortTrouble, hasNetworkLinks, readKernelNetwork } from './troubles.ts'

export interface LinuxNetworkOptions {
  readonly exec: Exec
  readonly files: Files
  readonly processes: Processes
  readonly directories: AgentDirectories
  readonly log: Logger
}

export function createLinuxNetworkDriver(options: LinuxNetworkOptions): NetworkDriver {
  const { exec } = options
  const log = options.log.child({ component: 'network' })
  const turns = createTurns()
  const dhcp = createDhcp({ ...options, log })
  const firewall = createNetworkFirewall(options)

  const buildNetwork = async (network: Network) => {
    if (network.vlan > 0) {
      // Without an uplink there is nothing to carry a VLAN: guests of one network meet on this host alone.
      log.warn(
        { networkUid: network.uid, vlan: network.vlan },
        'The bridge is local: its VLAN leaves no host.',
      )
    }
    await ensureBridge(exec, network)
    // Before any guest joins.
    await firewall.ensure(network.uid, network.firewall)
    await ensureNamespace(exec, network.uid)
    await ensureServicePort(exec, network)
    await dhcp.ensureServer(network)
  }

  const findTroubles = async (ports: readonly PortPlan[]): Promise<readonly NetworkTrouble[]> => {
    const kernel = await readKernelNetwork(exec)
    const troubles: NetworkTrouble[] = ports.flatMap((port) => findPortTrouble(kernel, port) ?? [])
    for (const trouble of troubles) {
      if (trouble.kind !== 'filter-gone') continue
      await changeLinks(
        () => exec.run('ip', ['link', 'set', 'dev', trouble.tap, 'down']),
        // It may have gone since, with its guest.
        async () => !(await readLinks(exec)).has(trouble.tap),
      )
    }
    const networkUids = new Set(ports.map(({ network }) => network.uid))
    for (const networkUid of networkUids) {
      if (hasNetworkLinks(kernel, networkUid) && (await dhcp.isAlive(networkUid))) continue
      troubles.push({ kind: 'network-broken', networkUid })
    }
    return troubles
  }

  return {
    namespaceOf: namespaceName,
    findTroubles,

    ensureNetwork: (network) => turns.shared(network.uid, () => buildNetwork(network)),

    ensureFirewall: (networkUid, rules) => turns.alone(networkUid, () => firewall.ensure(networkUid, rules)),

    ensurePort: async (port) => {
      await ensureTap(exec, port)
      await turns.alone(port.network.uid, () => dhcp.ensureHost(port))
      log.info({ instanceUid: port.instanceUid, tap: port.tap }, 'A port is connected.')
    },

    removePort: async ({ tap, networkUid }) => {
      await removeTap(exec, tap)
      await turns.alone(networkUid, () => dhcp.removeHost(networkUid, tap))
    },

    removeNetwork: (networkUid) =>
      turns.alone(networkUid, async () => {
        await firewall.remove(networkUid)
        await dhcp.removeServer(networkUid)
        await removeServicePort(exec, networkUid)
        await removeNamespace(exec, networkUid)
        await removeLink(exec, bridgeName(networkUid))
      }),
  }
}

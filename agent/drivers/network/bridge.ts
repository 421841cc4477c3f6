import type { Network } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Exec } from '../../host/ports.ts'
import { networkMtu } from '../../plan/dnsmasq-config.ts'
import { bridgeName } from '../../plan/names.ts'
import { changeLinks, disableIpv6, type Link, readLinks } from './links.ts'

/** Multicast snooping is off: without a querier on the segment it forgets members and cuts them off. */
const bridgeOptions = ['stp_state', '0', 'forward_delay', '0', 'mcast_snooping', '0']

export async function ensureBridge(exec: Exec, network: Network): Promise<void> {
  const name = bridgeName(network.uid)
  const mtu = networkMtu(network)
  const known = (await readLinks(exec)).get(name)
  if (!known) {
    await changeLinks(
      () => exec.run('ip', ['link', 'add', 'name', name, 'type', 'bridge', ...bridgeOptions]),
      async () => (await readLinks(exec)).has(name),
    )
  }
  if (known?.isUp && known.mtu === mtu) return
  await disableIpv6(exec, name)
  await exec.run('ip', ['link', 'set', 'dev', name, 'mtu', String(mtu), 'up'])
}

/**
 * A port that reaches guests and no other port of its kind: services and uplinks never meet, for the same addresses serve
 * on every host. It goes up last, as taps do.
 */
export async function joinIsolated(
  exec: Exec,
  network: Network,
  { port, known }: { readonly port: string; readonly known: Link | undefined },
): Promise<void> {
  const bridge = bridgeName(network.uid)
  const mtu = networkMtu(network)
  if (known?.bridge === bridge && known.isIsolated && known.isUp && known.mtu === mtu) return
  await disableIpv6(exec, port)
  await exec.run('ip', ['link', 'set', 'dev', port, 'mtu', String(mtu), 'master', bridge])
  await exec.run('ip', ['link', 'set', 'dev', port, 'type', 'bridge_slave', 'isolated', 'on'])
  await exec.run('ip', ['link', 'set', 'dev', port, 'up'])
}

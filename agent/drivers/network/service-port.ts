import type { Network } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Exec } from '../../host/ports.ts'
import { metadataAddress, networkMtu, prefixLength } from '../../plan/dnsmasq-config.ts'
import { hasGateway } from '../../plan/gateway.ts'
import { namespaceName, serviceInterfaceName, servicePortName } from '../../plan/names.ts'
import { joinIsolated } from './bridge.ts'
import { changeLinks, type Link, readAddresses, readLinks, removeLink } from './links.ts'

/** The veth that joins a network's services to its bridge. Guests reach it; an uplink or another service port can't. */
export async function ensureServicePort(exec: Exec, network: Network): Promise<void> {
  const port = servicePortName(network.uid)
  const namespace = namespaceName(network.uid)
  let outside = (await readLinks(exec)).get(port)
  let inside = (await readLinks(exec, namespace)).get(serviceInterfaceName)
  if (!outside || !inside) {
    // Ends of one pair come and go together: an end alone leads into a namespace that is gone.
    await removeLink(exec, port)
    outside = undefined
    inside = undefined
    await changeLinks(
      () => exec.run('ip', [...['link', 'add', 'name', port, 'type', 'veth'], ...peer(network, namespace)]),
      async () => (await readLinks(exec, namespace)).has(serviceInterfaceName),
    )
  }
  await joinIsolated(exec, network, { port: servicePortName(network.uid), known: outside })
  await ensureInside(exec, network, inside)
}

export async function removeServicePort(exec: Exec, networkUid: string): Promise<void> {
  await removeLink(exec, servicePortName(networkUid))
}

const peer = (network: Network, namespace: string) =>
  ['peer', 'name', serviceInterfaceName, 'address', network.serviceMac, 'netns', namespace] as const

async function ensureInside(exec: Exec, network: Network, known: Link | undefined): Promise<void> {
  const namespace = namespaceName(network.uid)
  const link = serviceInterfaceName
  const mtu = networkMtu(network)
  const mac = network.serviceMac.toLowerCase()
  if (known?.macAddress !== mac || !known.isUp || known.mtu !== mtu) {
    const facts = ['address', mac, 'mtu', String(mtu), 'up']
    await exec.run('ip', ['-n', namespace, 'link', 'set', 'dev', link, ...facts])
  }
  const gatewayAddress = `${network.ipv4Gateway}/32`
  const wanted = [
    `${network.serviceIpv4}/${prefixLength(network.ipv4Cidr)}`,
    `${metadataAddress}/32`,
    ...(network.serviceIpv6 === '' ? [] : [`${network.serviceIpv6}/64`]),
    ...(hasGateway(network) ? [gatewayAddress] : []),
  ]
  const present = await readAddresses(exec, namespace, link)
  const missing = wanted.filter((one) => !present.includes(one))
  if (network.serviceIpv6 !== '' && missing.length > 0) await enableIpv6(exec, namespace, link)
  for (const address of missing) {
    // The same address answers on every host, behind ports that never meet: nobody has to be asked for it.
    const options = address.includes(':') ? ['nodad'] : []
    await changeLinks(
      () => exec.run('ip', ['-n', namespace, 'address', 'add', address, 'dev', link, ...options]),
      async () => (await readAddresses(exec, namespace, link)).includes(address),
    )
  }
  if (hasGateway(network) || !present.includes(gatewayAddress)) return
  await changeLinks(
    () => exec.run('ip', ['-n', namespace, 'address', 'delete', gatewayAddress, 'dev', link]),
    async () => !(await readAddresses(exec, namespace, link)).includes(gatewayAddress),
  )
}

/** With a link-local address of its own at once, and deaf to what others advertise. */
async function enableIpv6(exec: Exec, namespace: string, link: string): Promise<void> {
  const settings = ['accept_dad=0', 'accept_ra=0', 'autoconf=0', 'disable_ipv6=0']
  const words = settings.map((setting) => `net.ipv6.conf.${link}.${setting}`)
  await exec.run('ip', ['netns', 'exec', namespace, 'sysctl', '-q', '-w', ...words])
}

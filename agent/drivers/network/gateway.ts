import type { Network } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Exec, Files } from '../../host/ports.ts'
import { networkMtu } from '../../plan/dnsmasq-config.ts'
import { type GatewaySettings, hasGateway, transferNet, transferNets } from '../../plan/gateway.ts'
import {
  renderGatewayInside,
  renderGatewayOutside,
  renderGatewayRemoval,
} from '../../plan/gateway-ruleset.ts'
import {
  gatewayInterfaceName,
  gatewayPortName,
  gatewayTableName,
  namespaceName,
  serviceInterfaceName,
  sharedGatewayTableName,
} from '../../plan/names.ts'
import type { AgentDirectories } from '../../plan/paths.ts'
import { createClaimedNumbers } from './claimed-numbers.ts'
import { readForwardTables } from './forward-tables.ts'
import { createHostForwarding } from './forwarding.ts'
import { changeLinks, disableIpv6, readAddresses, readAllAddresses, readLinks, removeLink } from './links.ts'
import { hasNamespace } from './namespace.ts'

/** The way outside of networks that have one; IPv4 alone. Calls for one network don't overlap. */
export interface Gateways {
  /** As the network says: there, or gone. @throws where the settings have no gateway */
  ensure(network: Network): Promise<void>
  remove(networkUid: string): Promise<void>
  /** Of these networks, those whose way outside somebody has broken. */
  findBroken(networks: readonly Network[]): Promise<ReadonlySet<string>>
}

export function createGateways(options: {
  exec: Exec
  files: Files
  directories: AgentDirectories
  /** Absent where this host is no gateway. */
  gateway?: GatewaySettings | undefined
}): Gateways {
  const { exec, gateway } = options
  const forwarding = createHostForwarding(options)
  const numbers = createClaimedNumbers({
    ...{ ...options, fileName: 'gateway-transfer', first: 0, last: transferNets - 1 },
    what: 'transfer net for a gateway',
  })
  const load = (text: string) => exec.run('nft', ['-f', '-'], { stdin: text })

  const remove = async (networkUid: string) => {
    // Written before anything was made: without it there is nothing.
    if ((await numbers.read(networkUid)) === undefined) return
    await removeLink(exec, gatewayPortName(networkUid))
    await load(renderGatewayRemoval(gatewayTableName(networkUid)))
    const namespace = namespaceName(networkUid)
    if (await hasNamespace(exec, namespace)) {
      await setInside(exec, namespace, [`net/ipv4/conf/${serviceInterfaceName}/forwarding=0`])
      await loadInside(exec, namespace, renderGatewayRemoval(sharedGatewayTableName))
    }
    await numbers.release(networkUid)
    if ((await numbers.holders()).length === 0) await forwarding.restore()
  }

  return {
    ensure: async (network) => {
      if (!hasGateway(network)) return remove(network.uid)
      if (gateway === undefined) {
        throw new Error(
          `Network ${network.id} reaches the outside by NAT, and this host's settings have no gateway: add one.`,
        )
      }
      const port = gatewayPortName(network.uid)
      const used = new Set(await readAllAddresses(exec, port))
      const isFree = (number: number) => !used.has(transferNet(number).host)
      const transfer = transferNet(await numbers.claim(network.uid, isFree))
      // The filters come first: nothing passes that they have not seen.
      await load(renderGatewayOutside(network.uid, gateway, transfer))
      await loadInside(exec, namespaceName(network.uid), renderGatewayInside(network))
      await ensurePair(exec, network)
      await ensureEnd(exec, { link: port, address: `${transfer.host}/31` })
      const inside = { namespace: namespaceName(network.uid), link: gatewayInterfaceName }
      await ensureEnd(exec, { ...inside, address: `${transfer.inside}/31` })
      const route = ['default', 'via', transfer.host, 'dev', gatewayInterfaceName]
      await exec.run('ip', ['-n', inside.namespace, 'route', 'replace', ...route])
      await setInside(exec, inside.namespace, insideSettings)
      await forwarding.ensure(gateway.interface, port)
    },

    remove,

    findBroken: async (networks) => {
      if (networks.length === 0 || gateway === undefined) return new Set()
      const ports = networks.map(({ uid }) => gatewayPortName(uid))
      const [tables, forwards, links] = await Promise.all([
        readForwardTables(exec, 'ip'),
        forwarding.readOn([gateway.interface, ...ports]),
        readLinks(exec),
      ])
      const isWhole = ({ uid }: Network) =>
        links.get(gatewayPortName(uid))?.isUp === true &&
        tables.has(gatewayTableName(uid)) &&
        [gateway.interface, gatewayPortName(uid)].every((link) => forwards.has(link))
      return new Set(networks.filter((network) => !isWhole(network)).map(({ uid }) => uid))
    },
  }
}

/** Guests are told of no shorter way: there is none between them that the firewall would not see. */
const insideSettings = [
  'net/ipv4/conf/all/send_redirects=0',
  `net/ipv4/conf/${serviceInterfaceName}/send_redirects=0`,
  ...[serviceInterfaceName, gatewayInterfaceName].map((link) => `net/ipv4/conf/${link}/forwarding=1`),
]

const loadInside = (exec: Exec, namespace: string, text: string) =>
  exec.run('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], { stdin: text })

const setInside = (exec: Exec, namespace: string, settings: readonly string[]) =>
  exec.run('ip', ['netns', 'exec', namespace, 'sysctl', '-q', '-e', '-w', ...settings])

/** Ends of one pair come and go together: an end alone leads into a namespace that is gone. */
async function ensurePair(exec: Exec, network: Network): Promise<void> {
  const port = gatewayPortName(network.uid)
  const namespace = namespaceName(network.uid)
  const mtu = String(networkMtu(network))
  const [outside, inside] = [
    (await readLinks(exec)).get(port),
    (await readLinks(exec, namespace)).get(gatewayInterfaceName),
  ]
  if (outside && inside && String(outside.mtu) === mtu && String(inside.mtu) === mtu) return
  await removeLink(exec, port)
  const peer = ['peer', 'name', gatewayInterfaceName, 'mtu', mtu, 'netns', namespace]
  await changeLinks(
    () => exec.run('ip', ['link', 'add', 'name', port, 'mtu', mtu, 'type', 'veth', ...peer]),
    async () => (await readLinks(exec, namespace)).has(gatewayInterfaceName),
  )
}

async function ensureEnd(
  exec: Exec,
  { namespace, link, address }: { namespace?: string; link: string; address: string },
): Promise<void> {
  const inside = namespace === undefined ? [] : ['-n', namespace]
  if ((await readLinks(exec, namespace)).get(link)?.isUp !== true) {
    if (namespace === undefined) await disableIpv6(exec, link)
    await exec.run('ip', [...inside, 'link', 'set', 'dev', link, 'up'])
  }
  const isThere = async () => (await readAddresses(exec, namespace, link)).includes(address)
  if (await isThere()) return
  await changeLinks(() => exec.run('ip', [...inside, 'address', 'add', address, 'dev', link]), isThere)
}

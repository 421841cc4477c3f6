import type { FakeProgram, ProgramResult } from './fake-exec.ts'
import { type FakeLink, type FakeNetwork, hostNamespace, NetworkRefusal, newLink } from './fake-network.ts'

export interface NamespacedProcesses {
  /** Pids of what runs in a namespace. */
  pidsIn(namespace: string): number[]
}

/** iproute2, as far as the agent's drivers use it. Anything else is an error of whoever called it. */
export function ipProgram(options: {
  network: FakeNetwork
  processes: NamespacedProcesses
  /** Runs another program of this host inside a namespace. */
  runIn: (namespace: string, file: string, args: readonly string[], stdin: string) => ReturnType<FakeProgram>
}): FakeProgram {
  const { network, processes, runIn } = options

  return async (args, stdin) => {
    const words = [...args]
    const namespace = words[0] === '-n' ? (words.splice(0, 2)[1] ?? '') : hostNamespace
    while (words[0] === '-j' || words[0] === '-d') words.shift()
    try {
      return await run(namespace, words, stdin)
    } catch (thrown) {
      if (thrown instanceof NetworkRefusal) return { code: 2, stderr: thrown.message }
      throw thrown
    }
  }

  async function run(namespace: string, words: readonly string[], stdin: string): Promise<ProgramResult> {
    const [object, verb, ...rest] = words
    switch (`${object} ${verb}`) {
      case 'netns list':
        return json(network.namespaces().map((name) => ({ name })))
      case 'netns add':
        network.addNamespace(rest[0] ?? '')
        return {}
      case 'netns delete':
        network.deleteNamespace(rest[0] ?? '')
        return {}
      case 'netns pids':
        network.links(rest[0] ?? '')
        return {
          stdout: processes
            .pidsIn(rest[0] ?? '')
            .map((pid) => `${pid}\n`)
            .join(''),
        }
      case 'netns exec': {
        const [target = '', file = '', ...args] = rest
        network.links(target)
        return runIn(target, file, args, stdin)
      }
      case 'link show':
        return json(network.links(namespace).map(renderLink))
      case 'link add':
        addLink(namespace, rest)
        return {}
      case 'link set':
        setLink(network.link(namespace, valueAfter(rest, 'dev') ?? ''), namespace, rest)
        return {}
      case 'link delete':
        network.link(namespace, valueAfter(rest, 'dev') ?? '')
        network.deleteLink(namespace, valueAfter(rest, 'dev') ?? '')
        return {}
      case 'tuntap add':
        network.addLink(
          namespace,
          newLink({
            name: valueAfter(rest, 'dev') ?? '',
            kind: 'tun',
            tapUser: Number(valueAfter(rest, 'user')),
            isMultiQueue: rest.includes('multi_queue'),
          }),
        )
        return {}
      case 'address show': {
        const name = valueAfter(rest, 'dev')
        const shown = name === undefined ? network.links(namespace) : [network.link(namespace, name)]
        return json(
          shown.map((link) => ({ ifname: link.name, addr_info: link.addresses.map(renderAddress) })),
        )
      }
      case 'address add':
        addAddress(network.link(namespace, valueAfter(rest, 'dev') ?? ''), rest[0] ?? '')
        return {}
      case 'address delete': {
        const { addresses } = network.link(namespace, valueAfter(rest, 'dev') ?? '')
        const at = addresses.indexOf(rest[0] ?? '')
        if (at < 0) throw new NetworkRefusal('RTNETLINK answers: Cannot assign requested address')
        addresses.splice(at, 1)
        return {}
      }
      case 'route replace':
        if (rest[0] !== 'default') throw new Error(`The fake host has no 'ip ${words.join(' ')}'.`)
        if (!network.link(namespace, valueAfter(rest, 'dev') ?? '').isUp) {
          throw new NetworkRefusal('Error: Nexthop has invalid gateway.')
        }
        return {}
      default:
        throw new Error(`The fake host has no 'ip ${words.join(' ')}'.`)
    }
  }

  function addLink(namespace: string, words: readonly string[]): void {
    const name = valueAfter(words, 'name') ?? ''
    const kind = valueAfter(words, 'type')
    if (kind === 'bridge') {
      network.addLink(namespace, newLink({ name, kind: 'bridge' }))
      return
    }
    if (kind !== 'veth') throw new Error(`The fake host makes no link of type ${kind}.`)
    const ofPeer = words.slice(words.indexOf('peer') + 1)
    const ofOwn = (key: string) => valueAfter(words.slice(0, words.indexOf('peer')), key)
    const peer = {
      namespace: valueAfter(ofPeer, 'netns') ?? namespace,
      name: valueAfter(ofPeer, 'name') ?? '',
    }
    network.addLink(
      peer.namespace,
      newLink({
        name: peer.name,
        kind: 'veth',
        mtu: Number(valueAfter(ofPeer, 'mtu') ?? 1500),
        macAddress: valueAfter(ofPeer, 'address') ?? '02:00:00:00:00:00',
        peer: { namespace, name },
      }),
    )
    network.addLink(namespace, newLink({ name, kind: 'veth', mtu: Number(ofOwn('mtu') ?? 1500), peer }))
  }

  function setLink(link: FakeLink, namespace: string, words: readonly string[]): void {
    const facts = words.slice(2)
    for (let at = 0; at < facts.length; at += 1) {
      const word = facts[at]
      if (word === 'up' || word === 'down') {
        // What the agent promises: a tap in a bridge goes up behind its filter.
        if (
          word === 'up' &&
          link.kind === 'tun' &&
          !network.tables().some((table) => network.tableDevice(table) === link.name)
        ) {
          throw new Error(`Tap ${link.name} goes up without a filter.`)
        }
        link.isUp = word === 'up'
        continue
      }
      at += 1
      const value = facts[at] ?? ''
      if (word === 'mtu') link.mtu = Number(value)
      else if (word === 'address') link.macAddress = value
      else if (word === 'master') link.master = network.link(namespace, value).name
      else if (word === 'isolated') link.isIsolated = value === 'on'
      else if (word !== 'type' || value !== 'bridge_slave')
        throw new Error(`The fake host can't set ${word} on a link.`)
    }
  }
}

function addAddress(link: FakeLink, address: string): void {
  if (link.addresses.includes(address)) throw new NetworkRefusal('RTNETLINK answers: File exists')
  link.addresses.push(address)
}

function renderLink(link: FakeLink): object {
  return {
    ifname: link.name,
    mtu: link.mtu,
    flags: link.isUp ? ['UP'] : [],
    address: link.macAddress,
    qdisc: link.queueing,
    ...(link.master === undefined ? {} : { master: link.master }),
    linkinfo: {
      ...(link.kind === 'loopback' ? {} : { info_kind: link.kind }),
      ...(link.tapUser === undefined
        ? {}
        : { info_data: { user: link.tapUser, multi_queue: link.isMultiQueue } }),
      ...(link.master === undefined ? {} : { info_slave_data: { isolated: link.isIsolated } }),
    },
  }
}

function renderAddress(address: string): object {
  const [local, prefix] = address.split('/')
  return { family: 'inet', local, prefixlen: Number(prefix) }
}

function json(value: unknown): ProgramResult {
  return { stdout: JSON.stringify(value) }
}

function valueAfter(words: readonly string[], key: string): string | undefined {
  const at = words.indexOf(key)
  return at < 0 ? undefined : words[at + 1]
}

// The network side of a fake host's kernel: namespaces, links, addresses and nftables, with the refusals that the real
// one has. `ip`, `nft` and `sysctl` change it; nothing else does.

export interface FakeLink {
  readonly name: string
  readonly kind: 'loopback' | 'bridge' | 'veth' | 'tun'
  mtu: number
  isUp: boolean
  macAddress: string
  master: string | undefined
  isIsolated: boolean
  readonly tapUser: number | undefined
  readonly isMultiQueue: boolean
  queueing: string
  /** Of a veth: where its other end is. */
  readonly peer: { readonly namespace: string; readonly name: string } | undefined
  readonly addresses: string[]
}

/** The namespace that the host itself is in. */
export const hostNamespace = ''

export class FakeNetwork {
  readonly #namespaces = new Map<string, Map<string, FakeLink>>([[hostNamespace, new Map([loopback()])]])
  /** By name: the interface that it filters, and its text. */
  readonly #tables = new Map<string, { readonly device: string | undefined; readonly text: string }>()
  /** By path below net/, as sysctl has it; 0 where nobody has set it. */
  readonly settings = new Map<string, string>()

  namespaces(): string[] {
    return [...this.#namespaces.keys()].filter((name) => name !== hostNamespace).sort()
  }

  addNamespace(name: string): void {
    if (this.#namespaces.has(name)) throw new NetworkRefusal(`namespace ${name}: File exists`)
    this.#namespaces.set(name, new Map([loopback()]))
  }

  deleteNamespace(name: string): void {
    for (const link of [...this.links(name)]) this.deleteLink(name, link.name)
    this.#namespaces.delete(name)
  }

  links(namespace: string): FakeLink[] {
    const links = this.#namespaces.get(namespace)
    if (!links) throw new NetworkRefusal(`Cannot open network namespace "${namespace}"`)
    return [...links.values()]
  }

  link(namespace: string, name: string): FakeLink {
    const found = this.links(namespace).find((link) => link.name === name)
    if (!found) throw new NetworkRefusal(`Cannot find device "${name}"`)
    return found
  }

  addLink(namespace: string, link: FakeLink): void {
    if (link.name.length > 15) throw new NetworkRefusal(`"${link.name}" is no interface name`)
    const links = this.#namespaces.get(namespace)
    if (!links) throw new NetworkRefusal(`Cannot open network namespace "${namespace}"`)
    if (links.has(link.name)) throw new NetworkRefusal('RTNETLINK answers: File exists')
    links.set(link.name, link)
  }

  /** Ends of one pair go together, and a tap's filter goes with its tap. */
  deleteLink(namespace: string, name: string): void {
    const links = this.#namespaces.get(namespace)
    const link = links?.get(name)
    if (!links || !link) return
    links.delete(name)
    for (const other of this.links(namespace)) if (other.master === name) other.master = undefined
    if (link.peer) this.#namespaces.get(link.peer.namespace)?.delete(link.peer.name)
  }

  tables(): string[] {
    return [...this.#tables.keys()].sort()
  }

  tableDevice(table: string): string | undefined {
    return this.#tables.get(table)?.device
  }

  tableText(table: string): string | undefined {
    return this.#tables.get(table)?.text
  }

  /** A chain hooks at an interface that exists. */
  loadTable(table: string, { device, text }: { device: string | undefined; text: string }): void {
    if (device !== undefined) this.link(hostNamespace, device)
    this.#tables.set(table, { device, text })
  }

  deleteTable(table: string): void {
    this.#tables.delete(table)
  }
}

/** What the kernel answers to a change that can't be. */
export class NetworkRefusal extends Error {
  override readonly name = 'NetworkRefusal'
}

export function newLink(facts: Pick<FakeLink, 'name' | 'kind'> & Partial<FakeLink>): FakeLink {
  return {
    mtu: 1500,
    isUp: false,
    macAddress: '02:00:00:00:00:00',
    master: undefined,
    isIsolated: false,
    tapUser: undefined,
    isMultiQueue: false,
    queueing: 'noqueue',
    peer: undefined,
    addresses: [],
    ...facts,
  }
}

function loopback(): [string, FakeLink] {
  return ['lo', newLink({ name: 'lo', kind: 'loopback', mtu: 65_536 })]
}

import type { FakeFiles } from './fake-files.ts'

/** What QEMU would say: on standard error before it ends, or in answer to a command. */
export class QemuRefusal extends Error {
  override readonly name = 'QemuRefusal'
}

interface Device {
  readonly bus: string
  readonly drive?: string
}

/**
 * Block nodes and devices of one guest: a node needs its file or the node below it, a device a node that no other has
 * and a port that is free, and what is used is not removed.
 */
export class FakeQemuDisks {
  readonly #files: FakeFiles
  /** Node → what it rests on. */
  readonly #nodes = new Map<string, string>()
  readonly #devices = new Map<string, Device>()
  readonly #ports: ReadonlySet<string>

  constructor(files: FakeFiles, args: readonly string[]) {
    this.#files = files
    const of = (flag: string) => args.filter((_, index) => args[index - 1] === flag).map(parseOptions)
    this.#ports = new Set(
      of('-device').flatMap(({ driver, id = '' }) => (driver === 'pcie-root-port' ? [id] : [])),
    )
    for (const node of of('-blockdev')) this.#addNode(node)
    for (const { driver, id = '', bus = '', drive } of of('-device')) {
      if (driver !== 'pcie-root-port') this.#devices.set(id, { bus, ...(drive ? { drive } : {}) })
    }
  }

  execute(command: string, wanted: Record<string, unknown>): unknown {
    switch (command) {
      case 'query-named-block-nodes':
        return [...this.#nodes.keys()].map((name) => ({ 'node-name': name }))
      case 'qom-list':
        return [...this.#devices.keys()].map((name) => ({ name, type: 'child<device>' }))
      case 'blockdev-add':
        this.#addNode(wanted as Record<string, string>)
        return {}
      case 'blockdev-del':
        this.#removeNode(String(wanted['node-name']))
        return {}
      case 'device_add':
        this.#addDevice(wanted as Record<string, string>)
        return {}
      case 'block_resize':
        if (!this.#nodes.has(String(wanted['node-name']))) throw new QemuRefusal('Cannot find the node')
        return {}
      default:
        throw new Error(`The fake QEMU has no ${command}.`)
    }
  }

  /** The file below a node; undefined where there is none. */
  fileOf(node: string): string | undefined {
    const below = this.#nodes.get(node)
    return below === undefined ? undefined : (this.#nodes.get(below) ?? below)
  }

  removeDevice(id: string): string {
    if (!this.#devices.delete(id)) throw new Error(`The fake QEMU has no device ${id}.`)
    return id
  }

  #addNode({ 'node-name': name = '', filename, file = '' }: Record<string, string>): void {
    if (this.#nodes.has(name)) throw new QemuRefusal(`Duplicate nodes with node-name='${name}'`)
    const below = filename ?? file
    const isThere = filename === undefined ? this.#nodes.has(file) : this.#files.paths().includes(filename)
    if (!isThere) throw new QemuRefusal(`Could not open '${below}': No such file or directory`)
    this.#nodes.set(name, below)
  }

  #removeNode(name: string): void {
    const isUsed = [...this.#nodes.values()].includes(name) || this.#userOf(name) !== undefined
    if (isUsed || !this.#nodes.delete(name)) throw new QemuRefusal(`Node '${name}' is in use or not there`)
  }

  #addDevice({ id = '', bus = '', drive }: Record<string, string>): void {
    if (this.#devices.has(id)) throw new QemuRefusal(`Duplicate device ID '${id}'`)
    const isPort = this.#ports.has(bus)
    const isTaken = isPort && [...this.#devices.values()].some((one) => one.bus === bus)
    if (isTaken || (!isPort && !this.#devices.has(bus.replace(/\.0$/, '')))) {
      throw new QemuRefusal(`Bus '${bus}' is taken or not there`)
    }
    if (drive !== undefined && (!this.#nodes.has(drive) || this.#userOf(drive))) {
      throw new QemuRefusal(`Property 'drive' can't find value '${drive}', or it is in use`)
    }
    this.#devices.set(id, { bus, ...(drive === undefined ? {} : { drive }) })
  }

  #userOf(node: string): Device | undefined {
    return [...this.#devices.values()].find(({ drive }) => drive === node)
  }
}

/** virtio-blk-pci,id=… or driver=file,… */
function parseOptions(text: string): Record<string, string> {
  const pairs = text
    .split(',')
    .map((part, index) => (index === 0 && !part.includes('=') ? `driver=${part}` : part))
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  )
}

// The machine that a command line describes, as far as QEMU checks it: CPUs, cells of memory, buses and ports.

type Options = ReadonlyMap<string, string>

/** How many threads run the guest's code. */
export function vcpusOf(args: readonly string[]): number {
  return Number.parseInt(valuesOf(args, '-smp')[0] ?? '1', 10)
}

/** What QEMU would refuse, in its words or near them; undefined where it takes the machine. */
export function findHardwareProblem(args: readonly string[]): string | undefined {
  return findCpuProblem(args) ?? findMemoryProblem(args) ?? findBusProblem(args) ?? findFirmwareProblem(args)
}

function findCpuProblem(args: readonly string[]): string | undefined {
  const smp = parse(valuesOf(args, '-smp')[0] ?? '')
  const product = ['sockets', 'cores', 'threads'].reduce((all, key) => all * Number(smp.get(key)), 1)
  return product === vcpusOf(args) ? undefined : 'Invalid CPU topology: product of the hierarchy must match'
}

const backendKinds = ['memory-backend-ram', 'memory-backend-memfd']
const backendKeys = [
  'id',
  'size',
  'hugetlb',
  'hugetlbsize',
  'prealloc',
  'prealloc-threads',
  'host-nodes',
  'policy',
]

function findMemoryProblem(args: readonly string[]): string | undefined {
  const backends = new Map(
    valuesOf(args, '-object')
      .map(parse)
      .filter((object) => backendKinds.includes(object.get('') ?? ''))
      .map((object) => [object.get('id') ?? '', object]),
  )
  for (const backend of backends.values()) {
    const unknown = [...backend.keys()].find((key) => key !== '' && !backendKeys.includes(key))
    if (unknown !== undefined) return `Property '${backend.get('')}.${unknown}' not found`
    if (sizeMib(backend, 'size') % (sizeMib(backend, 'hugetlbsize') || 1) !== 0) {
      return 'memory size must be a multiple of the page size'
    }
    if (backend.has('policy') !== backend.has('host-nodes')) return 'host-nodes must be set for policy'
  }
  const nodes = valuesOf(args, '-numa').map(parse)
  const machine = parse(valuesOf(args, '-machine')[0] ?? '').get('memory-backend')
  const used = machine === undefined ? nodes.map((node) => node.get('memdev') ?? '') : [machine]
  const missing = used.find((id) => !backends.has(id))
  if (missing !== undefined) return `memory backend '${missing}' not found`
  if (new Set(used).size !== backends.size) return 'memory backend is in use already, or in none'
  const totalMib = [...backends.values()].reduce((sum, backend) => sum + sizeMib(backend, 'size'), 0)
  const wantedMib = Number.parseInt(valuesOf(args, '-m')[0] ?? '', 10)
  if (used.length > 0 && totalMib !== wantedMib) {
    return `total memory for NUMA nodes (${totalMib}M) should equal RAM size (${wantedMib}M)`
  }
  return nodes.length === 0 ? undefined : findCellProblem(nodes, vcpusOf(args))
}

function findCellProblem(nodes: readonly Options[], vcpus: number): string | undefined {
  const cpus = nodes.flatMap((node) => {
    const [first = 0, last = first] = (node.get('cpus') ?? '').split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
  const areAll = new Set(cpus).size === vcpus && cpus.length === vcpus && Math.max(...cpus) === vcpus - 1
  if (!areAll) return 'CPU(s) not present in any NUMA nodes, or in two'
  const ids = nodes.map((node) => Number(node.get('nodeid')))
  return ids.every((id, index) => id === index) ? undefined : 'numa: Node ID missing'
}

const placesOnBus = 32

function findBusProblem(args: readonly string[]): string | undefined {
  const globals = valuesOf(args, '-global').filter((one) => !/^q35-pcihost\.pci-hole64-size=\d+M$/.test(one))
  if (globals.length > 0) return `global ${globals[0]} has invalid class name`
  const devices = valuesOf(args, '-device').map(parse)
  const expanders = devices.filter((device) => device.get('') === 'pxb-pcie')
  const ports = devices.filter((device) => device.get('') === 'pcie-root-port')
  const nodes = valuesOf(args, '-numa').length
  for (const expander of expanders) {
    const node = expander.get('numa_node')
    if (node !== undefined && Number(node) >= nodes) return `Illegal numa node ${node}`
  }
  const buses = new Set(['pcie.0', ...expanders.map((one) => one.get('id') ?? '')])
  const onBuses = [...expanders, ...ports]
  const lost = onBuses.find((one) => !buses.has(one.get('bus') ?? ''))
  if (lost) return `Bus '${lost.get('bus')}' not found`
  const far = onBuses.find((one) => Number(one.get('addr')) >= placesOnBus)
  if (far) return `Property '${far.get('')}.addr' doesn't take value '${far.get('addr')}'`
  const filled = new Set(ports.map((one) => one.get('id') ?? ''))
  const behind = devices.filter((one) => filled.has(one.get('bus') ?? ''))
  return (
    findTwice(onBuses, ['bus', 'addr'], 'PCI: slot is in use already') ??
    findTwice(ports, ['chassis', 'slot'], "Can't add chassis slot, error -16") ??
    findTwice(expanders, ['bus_nr'], 'pxb bus number is in use already') ??
    findTwice(behind, ['bus'], 'PCI: slot 0 function 0 already occupied') ??
    findTwice([...onBuses, ...behind], ['id'], 'Duplicate device ID', { whereSet: true })
  )
}

function findFirmwareProblem(args: readonly string[]): string | undefined {
  const machine = parse(valuesOf(args, '-machine')[0] ?? '')
  const nodes = new Set(valuesOf(args, '-blockdev').map((node) => parse(node).get('node-name')))
  const flash = ['pflash0', 'pflash1'].flatMap((name) => machine.get(name) ?? [])
  const missing = flash.find((node) => !nodes.has(node))
  if (missing !== undefined) return `Property 'pc-q35.pflash' can't find value '${missing}'`
  const words = valuesOf(args, '-fw_cfg').find((one) => !/^name=opt\/[\w/-]+,string=\d+$/.test(one))
  return words === undefined ? undefined : `fw_cfg: invalid argument '${words}'`
}

function findTwice(
  devices: readonly Options[],
  keys: readonly string[],
  problem: string,
  options: { whereSet?: boolean } = {},
): string | undefined {
  const values = devices
    .filter((device) => !options.whereSet || keys.every((key) => device.has(key)))
    .map((device) => keys.map((key) => device.get(key)).join(' '))
  const twice = values.find((value, index) => values.indexOf(value) !== index)
  return twice === undefined ? undefined : `${problem}: ${twice}`
}

/** The first word, which has no key, under ''. */
function parse(value: string): Options {
  return new Map(
    value.split(',').map((pair) => {
      const at = pair.indexOf('=')
      return at < 0 ? (['', pair] as const) : ([pair.slice(0, at), pair.slice(at + 1)] as const)
    }),
  )
}

const sizeMib = (options: Options, key: string) => Number.parseInt(options.get(key) ?? '0', 10)

const valuesOf = (args: readonly string[], flag: string) =>
  args.filter((_, index) => args[index - 1] === flag)

// A whole host in memory, at the agent's lowest ports: what the real agent runs on in tests and in the simulated fleet.
// Strict: a program, an argument or a write that the real host would refuse is refused, and what is not modelled throws.
import { createHash } from 'node:crypto'
import type { Machine } from '../../inventory/machine.ts'
import { DownloadError, type Downloads, type Host } from '../ports.ts'
import { FakeExec, type FakeProgram } from './fake-exec.ts'
import { FakeFabric } from './fake-fabric.ts'
import { FakeFiles } from './fake-files.ts'
import { metadataKeeperDaemon } from './fake-metadata-keeper.ts'
import { FakeNetwork, hostNamespace } from './fake-network.ts'
import { FakeProcesses } from './fake-processes.ts'
import { FakeSockets } from './fake-sockets.ts'
import { FakeSysfs } from './fake-sysfs.ts'
import { FakeTerminals } from './fake-terminals.ts'
import { dnsmasqProgram, FakeNamespaceMembers } from './program-dnsmasq.ts'
import { fmpmProgram, nvidiaSmiProgram } from './program-fmpm.ts'
import { ipProgram } from './program-ip.ts'
import { nftProgram } from './program-nft.ts'
import { qemuImgProgram } from './program-qemu-img.ts'
import { parsePrlimit, parseSetpriv } from './program-setpriv.ts'
import { tasksetProgram } from './program-taskset.ts'
import { QemuRefusal } from './qemu-disks.ts'
import { type FakeGuest, startQemu } from './qemu-machine.ts'
import type { HostShape } from './shape.ts'

export interface FakeHostOptions {
  readonly name: string
  readonly shape: HostShape
  readonly bootId: string
  readonly nowMs: () => number
  /** Files of URLs, by URL. A URL under file:///simulated/ is always there. */
  readonly web?: ReadonlyMap<string, Uint8Array>
}

export interface FakeHost extends Host {
  readonly exec: FakeExec
  readonly files: FakeFiles
  readonly processes: FakeProcesses
  readonly network: FakeNetwork
  readonly sysfs: FakeSysfs
  /** What joins its GPUs. */
  readonly switches: FakeFabric | undefined
  readonly guests: ReadonlyMap<number, FakeGuest>
  readonly machine: () => Promise<Machine>
  /** Everything that an instance can leave, as text: for comparing before and after. */
  describe(): string
}

/** SHA-256 by which a simulated image is known: it has no content to hash. */
const simulatedUrl = 'file:///simulated/'
export const simulatedSha256 = 'a'.repeat(64)

export function createFakeHost(options: FakeHostOptions): FakeHost {
  const { shape, nowMs } = options
  const files = new FakeFiles({ totalBytes: shape.diskBytes, nowMs })
  const network = new FakeNetwork()
  const processes = new FakeProcesses(options.bootId)
  const sockets = new FakeSockets()
  const sysfs = new FakeSysfs(shape)
  const switches = shape.fabric && new FakeFabric(shape.fabric)
  const members = new FakeNamespaceMembers()
  const guests = new Map<number, FakeGuest>()
  const world = { files, network, processes, sockets, sysfs }
  const dnsmasq = dnsmasqProgram({ files, processes, members })
  const succeed: FakeProgram = () => ({})
  const qemuImg = qemuImgProgram(files)

  const programs: Record<string, FakeProgram> = {
    'qemu-img': qemuImg,
    'qemu-system-x86_64': describeQemu,
    nft: nftProgram(network),
    sysctl: sysctlProgram(network),
    tc: tcProgram(network),
    ...(switches && {
      '/usr/bin/fmpm': fmpmProgram(switches),
      // Its GPUs are nobody's until a guest has them, and their driver is there.
      'nvidia-smi': nvidiaSmiProgram(switches, (address) => sysfs.drivers()[address] !== 'vfio-pci'),
    }),
    sync: succeed,
    taskset: tasksetProgram(guests),
    dd: () => ({ code: 1, stderr: "dd: failed to open '/dev/kvm': No such file or directory" }),
    unshare: (args) =>
      args.includes('nft') || args.includes('tc') ? {} : { code: 2, stderr: 'Error: Unknown device type.' },
    setpriv: async (args) => {
      const { file, rest } = parseSetpriv(args)
      const inner = file === 'prlimit' ? parsePrlimit(rest) : { file, rest }
      if (inner.file !== 'qemu-img') throw new Error(`The fake host runs no ${inner.file} under setpriv.`)
      return qemuImg(inner.rest, '')
    },
  }
  programs['ip'] = ipProgram({
    network,
    processes: members,
    runIn: async (namespace, file, args, stdin) => {
      if (file === 'dnsmasq') return dnsmasq(namespace, args)
      if (file === 'sysctl') return {}
      if (file === 'nft' && stdin.startsWith('table ip ')) return {}
      throw new Error(`The fake host runs no ${file} in a namespace.`)
    },
  })
  const exec = new FakeExec(programs, {
    [process.execPath]: metadataKeeperDaemon(world),
    prlimit: (limited, logPath) => {
      const { file: setpriv, rest: args } = parsePrlimit(limited)
      if (setpriv !== 'setpriv') throw new Error(`The fake host has no daemon ${setpriv}.`)
      const { identity, file, rest } = parseSetpriv(args)
      if (file !== 'qemu-system-x86_64') throw new Error(`The fake host has no daemon ${file}.`)
      const child = processes.begin(`qemu ${identity.uid}`, (signal) => {
        if (signal !== 'SIGHUP') guests.get(child.identity.pid)?.crash()
      })
      const { pid } = child.identity
      const end = () => {
        guests.delete(pid)
        processes.end(pid)
      }
      files.place(logPath, {})
      try {
        guests.set(pid, startQemu(world, { args: rest, uid: identity.uid, pid, end }))
      } catch (thrown) {
        if (!(thrown instanceof QemuRefusal)) throw thrown
        files.place(logPath, { content: new TextEncoder().encode(`qemu-system-x86_64: ${thrown.message}\n`) })
        setImmediate(end)
      }
      return pid
    },
  })

  return {
    exec,
    files,
    sysfs,
    processes,
    sockets,
    // No program of the fake host wants one.
    terminals: new FakeTerminals({}),
    network,
    switches,
    guests,
    downloads: fakeDownloads(files, options.web ?? new Map()),
    machine: async () => ({
      hostname: options.name,
      architecture: 'x86_64',
      kernel: '6.1.0-fake',
      cpus: shape.cpus,
      memoryMib: shape.memoryMib,
    }),
    describe: () =>
      JSON.stringify(
        {
          processes: processes.names(),
          namespaces: network.namespaces(),
          links: network
            .links('')
            .map((link) => link.name)
            .sort(),
          tables: network.tables(),
          sockets: sockets.paths(),
          drivers: sysfs.drivers(),
          partitions: switches?.routed() ?? [],
          // What is noted of devices outlives the instances that had them.
          files: files.paths().filter((path) => !/\/devices|\/fabric\.pb$/.test(path)),
        },
        null,
        2,
      ),
  }
}

/** Sets, and tells of one that is asked for. */
const sysctlProgram =
  ({ settings }: FakeNetwork): FakeProgram =>
  (args) => {
    const names = args.filter((arg) => !arg.startsWith('-'))
    if (args.includes('-n')) {
      return { stdout: names.map((name) => `${settings.get(name) ?? '0'}\n`).join('') }
    }
    for (const [name, value] of names.map((pair) => pair.split('='))) {
      if (name !== undefined && value !== undefined) settings.set(name, value)
    }
    return {}
  }

/** Queues of taps with a limit. */
const tcProgram =
  (network: FakeNetwork): FakeProgram =>
  (args) => {
    const [, verb, tap = ''] = /^qdisc (replace|delete) dev (\S+) root\b/.exec(args.join(' ')) ?? []
    if (verb === undefined) throw new Error(`The fake host has no 'tc ${args.join(' ')}'.`)
    network.link(hostNamespace, tap).queueing = verb === 'replace' ? 'tbf' : 'noqueue'
    return {}
  }

const describeQemu: FakeProgram = (args) => {
  if (args[0] === '--version') return { stdout: 'QEMU emulator version 7.2.0 (fake)\n' }
  if (args.join(' ') === '-machine help') {
    return { stdout: 'q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)\n' }
  }
  throw new Error(`The fake host runs no qemu-system-x86_64 ${args.join(' ')} in the foreground.`)
}

const simulatedImageBytes = 64 * 1024

function fakeDownloads(files: FakeFiles, web: ReadonlyMap<string, Uint8Array>): Downloads {
  return {
    fetch: async ({ url, path, onProgress, signal }) => {
      signal?.throwIfAborted()
      const isSimulated = url.startsWith(simulatedUrl)
      const content = isSimulated ? new Uint8Array(simulatedImageBytes) : web.get(url)
      if (!content) throw new DownloadError('not-found', `${url} is not there.`)
      files.place(path, { content })
      onProgress?.({ doneBytes: content.length, totalBytes: content.length })
      const sha256 = isSimulated ? simulatedSha256 : createHash('sha256').update(content).digest('hex')
      return { sha256, sizeBytes: content.length }
    },
  }
}

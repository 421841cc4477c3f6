import type { Logger } from '../../../lib/log.ts'
import type { Network } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { NetworkMember } from '../../../proto/gen/berth/agent/v1/network_pb.ts'
import type { Exec, Files, Processes, ProcessIdentity } from '../../host/ports.ts'
import {
  type DnsmasqPaths,
  dnsmasqPaths,
  renderDhcpHost,
  renderDnsHost,
  renderDnsmasqConfig,
  renderDnsNames,
} from '../../plan/dnsmasq-config.ts'
import { namespaceName } from '../../plan/names.ts'
import { type AgentDirectories, networkDirectory } from '../../plan/paths.ts'
import { hasNamespace } from './namespace.ts'
import type { PortPlan } from './port.ts'

/** One dnsmasq for each network, in its namespace, no child of the agent. Calls for one network don't overlap. */
export interface Dhcp {
  ensureServer(network: Network): Promise<void>
  /** Cheap: a process of its pid file lives. */
  isAlive(networkUid: string): Promise<boolean>
  ensureHost(port: PortPlan): Promise<void>
  removeHost(networkUid: string, tap: string): Promise<void>
  /** Names of guests on other hosts. */
  ensureMembers(networkUid: string, members: readonly NetworkMember[]): Promise<void>
  removeServer(networkUid: string): Promise<void>
}

// dnsmasq reads these without privileges; nothing in them is secret from the host's users.
const openDirectory = { mode: 0o755 }
const openFile = { mode: 0o644, durable: false }
const stopTimeoutMs = 5000
/** In characters; some forty a guest. */
const longestReleased = 100_000

export function createDhcp(options: {
  exec: Exec
  files: Files
  processes: Processes
  directories: AgentDirectories
  /** Of the outside, for networks that reach it. */
  nameServers: readonly string[]
  log: Logger
}): Dhcp {
  const { exec, files, processes, directories, nameServers, log } = options
  const pathsOf = (networkUid: string) => dnsmasqPaths(networkDirectory(directories, networkUid))

  const readText = async (path: string) => {
    const content = await files.read(path)
    return content === undefined ? undefined : new TextDecoder().decode(content)
  }

  /** By network. A process never leaves its namespace for another: one that was seen there is not looked for again. */
  const seen = new Map<string, ProcessIdentity>()

  /** The process of the pid file, if it lives in the network's namespace, where nothing else with a pid file does. */
  const readServer = async (networkUid: string): Promise<ProcessIdentity | undefined> => {
    const written = await readText(pathsOf(networkUid).pidFile)
    const process = written === undefined ? undefined : await processes.identify(Number(written))
    if (process === undefined) return undefined
    const known = seen.get(networkUid)
    if (known?.pid === process.pid && known.startTimeTicks === process.startTimeTicks) return process
    const namespace = namespaceName(networkUid)
    if (!(await hasNamespace(exec, namespace))) return undefined
    const { stdout } = await exec.run('ip', ['netns', 'pids', namespace])
    if (!stdout.split('\n').includes(String(process.pid))) return undefined
    seen.set(networkUid, process)
    return process
  }

  /** The hosts that the running server has let go of: it may hold their leases, and only a new process forgets them. */
  const releasedPath = (networkUid: string) => `${networkDirectory(directories, networkUid)}/released-hosts`

  /** Whether one that was let go has had the MAC or an address of this one. */
  const isTaken = async (networkUid: string, dhcpHost: string) => {
    const released = (await readText(releasedPath(networkUid))) ?? ''
    if (released.length > longestReleased) return true
    const words = (text: string) => text.split(/[,\n]/).filter(Boolean)
    const known = new Set(words(released))
    return words(dhcpHost).some((word) => known.has(word))
  }

  const start = async (networkUid: string, paths: DnsmasqPaths) => {
    await files.remove(releasedPath(networkUid))
    // It returns once the daemon is bound and has left for the background.
    const command = ['dnsmasq', `--conf-file=${paths.config}`]
    await exec.run('ip', ['netns', 'exec', namespaceName(networkUid), ...command])
    log.info({ networkUid }, 'DHCP and DNS have started.')
  }

  const stop = async (server: ProcessIdentity) => {
    await processes.signal(server, 'SIGTERM')
    if (await processes.waitGone(server, stopTimeoutMs)) return
    await processes.signal(server, 'SIGKILL')
    if (await processes.waitGone(server, stopTimeoutMs)) return
    throw new Error(`dnsmasq (process ${server.pid}) does not end.`)
  }

  return {
    ensureServer: async (network) => {
      const paths = pathsOf(network.uid)
      const config = renderDnsmasqConfig(network, paths, nameServers)
      // Somebody may have deleted the namespace from under it.
      seen.delete(network.uid)
      const server = await readServer(network.uid)
      if (server && (await readText(paths.config)) === config) return
      // Stopped first: a configuration on disk is always that of the process that runs.
      if (server) await stop(server)
      await files.makeDirectory(networkDirectory(directories, network.uid), openDirectory)
      await files.makeDirectory(paths.dhcpHosts, openDirectory)
      await files.makeDirectory(paths.dnsHosts, openDirectory)
      await files.writeAtomic(paths.config, config, openFile)
      await start(network.uid, paths)
    },

    isAlive: async (networkUid) => {
      const written = await readText(pathsOf(networkUid).pidFile)
      return written !== undefined && (await processes.identify(Number(written))) !== undefined
    },

    ensureHost: async (port) => {
      const paths = pathsOf(port.network.uid)
      const dhcpHost = renderDhcpHost(port)
      const before = await readText(`${paths.dhcpHosts}/${port.tap}`)
      await files.writeAtomic(`${paths.dhcpHosts}/${port.tap}`, dhcpHost, openFile)
      await files.writeAtomic(`${paths.dnsHosts}/${port.tap}`, renderDnsHost(port), openFile)
      const server = await readServer(port.network.uid)
      if (!server) return start(port.network.uid, paths)
      const isFresh = before === undefined && !(await isTaken(port.network.uid, dhcpHost))
      if (isFresh || before === dhcpHost) {
        await processes.signal(server, 'SIGHUP')
        return
      }
      await stop(server)
      await start(port.network.uid, paths)
    },

    removeHost: async (networkUid, tap) => {
      const paths = pathsOf(networkUid)
      const dhcpHost = await readText(`${paths.dhcpHosts}/${tap}`)
      // Noted first: once its file is gone nobody else knows.
      if (dhcpHost !== undefined)
        await files.append(releasedPath(networkUid), new TextEncoder().encode(dhcpHost))
      await files.remove(`${paths.dhcpHosts}/${tap}`)
      await files.remove(`${paths.dnsHosts}/${tap}`)
      const server = await readServer(networkUid)
      if (server) await processes.signal(server, 'SIGHUP')
    },

    ensureMembers: async (networkUid, members) => {
      // No tap has that name.
      const path = `${pathsOf(networkUid).dnsHosts}/members`
      const names = members.map(({ hostname, addresses }) => renderDnsNames(hostname, addresses)).join('')
      if (((await readText(path)) ?? '') === names) return
      await files.writeAtomic(path, names, openFile)
      const server = await readServer(networkUid)
      if (server) await processes.signal(server, 'SIGHUP')
    },

    removeServer: async (networkUid) => {
      const server = await readServer(networkUid)
      if (server) await stop(server)
      await files.remove(networkDirectory(directories, networkUid))
    },
  }
}

// What an instance can leave on a machine, listed: compared before a create and after its delete.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface HostState {
  readonly links: readonly string[]
  readonly namespaces: readonly string[]
  readonly tables: readonly string[]
  /** Command lines that name the region's directory, daemons and the metadata service left out. */
  readonly processes: readonly string[]
  /** Files below the agent's directories that belong to instances or networks. */
  readonly files: readonly string[]
}

export function readHostState(directory: string): HostState {
  return {
    links: (JSON.parse(run('ip', ['-j', 'link'])) as { ifname: string }[]).map((link) => link.ifname).sort(),
    namespaces: run('ip', ['netns', 'list']).split('\n').filter(Boolean).sort(),
    tables: run('nft', ['list', 'tables']).split('\n').filter(Boolean).sort(),
    processes: readProcesses()
      .filter(({ commandLine }) => commandLine.includes(directory))
      .filter(({ commandLine }) => !/(scheduler|agent|metadata)\/[a-z-]+\.[jt]s/.test(commandLine))
      .map(({ commandLine }) => commandLine)
      .sort(),
    files: ['agent/instances', 'agent/disks', 'run/guests', 'run/networks', 'agent/metadata'].flatMap(
      (folder) => listFiles(join(directory, folder)),
    ),
  }
}

/** The QEMU process of an instance. */
export function findGuestPid(instanceUid: string): number | undefined {
  return readProcesses().find(
    ({ commandLine }) => commandLine.startsWith('qemu-system') && commandLine.includes(instanceUid),
  )?.pid
}

export function run(file: string, args: readonly string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

export function readProcesses(): { pid: number; commandLine: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const commandLine = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
        return commandLine === '' ? [] : [{ pid: Number(name), commandLine }]
      } catch {
        // It ended between the listing and the reading.
        return []
      }
    })
}

function listFiles(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
}

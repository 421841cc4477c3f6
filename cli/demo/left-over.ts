import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import type { DataDirectory } from '../dev/data-directory.ts'
import { bridgeOf, namespaceOf } from '../dev/host-names.ts'

/** What is still on the machine of a region that was cleaned up: a phrase for each thing. Changes nothing. */
export function findLeftOver(region: {
  readonly directory: DataDirectory
  readonly networkUid: string
  readonly instanceUids: readonly string[]
}): string[] {
  const links = readWords('ip', ['-o', 'link'])
  const tables = readWords('nft', ['list', 'tables'])
  const taps = region.instanceUids.map((uid) => `bt${uid.replaceAll('-', '').slice(-10)}`)
  const namespace = namespaceOf(region.networkUid)
  const bridge = bridgeOf(region.networkUid)
  return [
    ...links.filter((name) => name.startsWith(bridge)).map((name) => `bridge ${name}`),
    ...links.filter((name) => taps.some((tap) => name.startsWith(tap))).map((name) => `tap ${name}`),
    ...tables
      .filter((name) => taps.some((tap) => name.startsWith(`berth-${tap}`)))
      .map((name) => `nft table ${name}`),
    ...readWords('ip', ['netns', 'list'])
      .filter((name) => name === namespace)
      .map((name) => `namespace ${name}`),
    ...findProcesses([region.directory.path, region.directory.agentRun]),
  ]
}

/** Without the program nothing was ever made with it. */
function readWords(program: string, args: readonly string[]): string[] {
  const { stdout, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') return []
  if (error !== undefined) throw error
  return stdout.split(/[\s:@]+/).filter(Boolean)
}

/** This program names the directory itself, on its own command line. */
function findProcesses(paths: readonly string[]): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && ![process.pid, process.ppid].includes(Number(name)))
    .flatMap((pid) => {
      const commandLine = readCommandLine(pid)
      const program = commandLine[0]?.split('/').at(-1) ?? ''
      const isOurs = commandLine.some((word) => paths.some((path) => word.includes(`${path}/`)))
      return isOurs && !['sh', 'bash', 'npm'].includes(program) ? [`process ${pid} (${program})`] : []
    })
}

function readCommandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    // It ended between the listing and the reading.
    return []
  }
}

import type { ProgramResult } from './fake-exec.ts'
import type { FakeFiles } from './fake-files.ts'
import type { FakeProcesses } from './fake-processes.ts'

/** Which processes live in which namespace. */
export class FakeNamespaceMembers {
  readonly #members = new Map<number, string>()

  add(pid: number, namespace: string): void {
    this.#members.set(pid, namespace)
  }

  remove(pid: number): void {
    this.#members.delete(pid)
  }

  pidsIn(namespace: string): number[] {
    return [...this.#members].filter(([, where]) => where === namespace).map(([pid]) => pid)
  }
}

/** dnsmasq: reads its configuration, leaves for the background, writes its pid file, ends on SIGTERM. */
export function dnsmasqProgram(options: {
  files: FakeFiles
  processes: FakeProcesses
  members: FakeNamespaceMembers
}): (namespace: string, args: readonly string[]) => Promise<ProgramResult> {
  const { files, processes, members } = options
  return async (namespace, args) => {
    const configPath = /^--conf-file=(.+)$/.exec(args.join(' '))?.[1]
    const config = configPath === undefined ? undefined : await files.read(configPath)
    if (!config) return { code: 3, stderr: `dnsmasq: cannot read ${configPath}` }
    const pidFile = /^pid-file=(.+)$/m.exec(new TextDecoder().decode(config))?.[1]
    if (pidFile === undefined) throw new Error('The fake dnsmasq needs a pid-file.')
    if (members.pidsIn(namespace).length > 0) {
      return { code: 2, stderr: 'dnsmasq: failed to create listening socket: Address already in use' }
    }
    const process = processes.begin(`dnsmasq ${namespace}`, (signal) => {
      if (signal === 'SIGHUP') return
      members.remove(process.identity.pid)
      processes.end(process.identity.pid)
    })
    members.add(process.identity.pid, namespace)
    files.place(pidFile, { content: new TextEncoder().encode(`${process.identity.pid}\n`), mode: 0o644 })
    return {}
  }
}

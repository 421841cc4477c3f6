// A host apart from this machine: network namespaces of its own and a list of them of its own, so that what a test does to
// its links, tables and settings is seen by nobody else. Everything else is the machine's.
import { spawn, spawnSync } from 'node:child_process'
import type { Exec } from '../../../../agent/host/ports.ts'
import { exec } from '../../../support/this-host.ts'

export interface StandInHost {
  readonly exec: Exec
  /** Standard output; throws where the program fails. */
  run(file: string, args: readonly string[], input?: string): string
  /** Standard output, however it ends. */
  ask(file: string, args: readonly string[]): string
  /** Whether the program succeeds. */
  does(file: string, args: readonly string[]): boolean
  /** Starts a program, ended with the host; resolves once it has said something. */
  serve(file: string, args: readonly string[]): Promise<void>
  remove(): void
}

/** A host with an interface `out0`, and at its other end what stands in for the internet. */
export async function makeStandInHost(): Promise<StandInHost> {
  const script =
    'mount --make-rprivate / && mount -t tmpfs tmpfs /run/netns && echo ready && exec sleep infinity'
  const holder = spawn('unshare', ['--net', '--mount', 'sh', '-c', `mkdir -p /run/netns; ${script}`])
  await new Promise<void>((ready, failed) => {
    holder.stdout.once('data', () => ready())
    holder.once('close', () => failed(new Error('The stand-in host did not come up.')))
  })
  const servers: ReturnType<typeof spawn>[] = []
  const inside = ['--target', String(holder.pid), '--net', '--mount', '--']
  const start = (file: string, args: readonly string[], input = '') =>
    spawnSync('nsenter', [...inside, file, ...args], { encoding: 'utf8', input, timeout: 30_000 })
  const run = (file: string, args: readonly string[], input?: string) => {
    const result = start(file, args, input)
    if (result.status !== 0)
      throw new Error(`${file} ${args.join(' ')}: ${result.stderr}${result.error ?? ''}`)
    return result.stdout
  }
  run('ip', ['link', 'set', 'dev', 'lo', 'up'])
  return {
    exec: { ...exec, run: (file, args, options) => exec.run('nsenter', [...inside, file, ...args], options) },
    run,
    ask: (file, args) => start(file, args).stdout,
    does: (file, args) => start(file, args).status === 0,
    serve: (file, args) => {
      const server = spawn('nsenter', [...inside, file, ...args])
      servers.push(server)
      return new Promise<void>((ready, failed) => {
        for (const output of [server.stdout, server.stderr]) output.once('data', () => ready())
        server.once('close', () => failed(new Error(`${file} ${args.join(' ')} has ended.`)))
      })
    },
    remove: () => {
      for (const server of servers) server.kill('SIGKILL')
      holder.kill('SIGKILL')
    },
  }
}

/** Says one line to whoever connects, at all addresses. */
export const lineServer = (line: string, port: number): readonly string[] => [
  ...['perl', '-e', serverScript],
  ...[line, String(port)],
]
const serverScript = `
  use Socket; $| = 1;
  socket(S, PF_INET, SOCK_STREAM, 6) or die; setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1) or die;
  bind(S, sockaddr_in($ARGV[1], INADDR_ANY)) or die "bind: $!"; listen(S, 16) or die;
  print "ready\n";
  while (accept(C, S)) { send(C, $ARGV[0], 0); close(C); }
`
/** What a server says; empty where there is no way to it. */
export const askLine = (address: string, port: number): readonly string[] => [
  ...['perl', '-e', clientScript],
  ...[address, String(port)],
]
const clientScript = `
  use Socket; alarm(2);
  socket(S, PF_INET, SOCK_STREAM, 6) or die; connect(S, sockaddr_in($ARGV[1], inet_aton($ARGV[0]))) or exit;
  print scalar <S>;
`

/** A namespace with one interface, `eth0`; the other end is the host's. */
export function plugNamespace(
  host: StandInHost,
  { name, port, address, mac }: { name: string; port: string; address: string; mac?: string },
): void {
  host.run('ip', ['netns', 'add', name])
  const peer = ['peer', 'name', 'eth0', ...(mac === undefined ? [] : ['address', mac]), 'netns', name]
  host.run('ip', ['link', 'add', 'name', port, 'type', 'veth', ...peer])
  for (const link of ['lo', 'eth0']) host.run('ip', ['-n', name, 'link', 'set', 'dev', link, 'up'])
  host.run('ip', ['-n', name, 'address', 'add', address, 'dev', 'eth0'])
}

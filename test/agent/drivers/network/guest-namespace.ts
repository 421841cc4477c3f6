// A network namespace that stands in for a guest: the host's end of its veth has the name of the guest's tap, so that
// what the guest sends comes in where a tap's frames would. (Frames sent on a tap itself go towards the guest.)
import { spawn, spawnSync } from 'node:child_process'

export interface GuestNamespace {
  readonly name: string
  /** Standard output; throws where the program fails. */
  run(file: string, args: readonly string[]): string
  /** Sends Ethernet frames as they are, given in hex. */
  send(frames: readonly string[]): void
  /** All frames, in hex, that come in while the work is done, and a moment longer. */
  capture(work: () => void | Promise<void>): Promise<string[]>
  /** An HTTP request from inside: status and body, or why there was none. */
  ask(url: string): string
  remove(): void
}

export function program(file: string, args: readonly string[], input = ''): string {
  const result = spawnSync(file, args, { encoding: 'utf8', input, timeout: 30_000 })
  if (result.status !== 0) throw new Error(`${file} ${args.join(' ')}: ${result.stderr}${result.error ?? ''}`)
  return result.stdout
}

/** Without waiting for its end; what it says on standard error is shown. */
export function startInside(namespace: string, file: string, args: readonly string[]) {
  return spawn('ip', ['netns', 'exec', namespace, file, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
}

export function makeGuestNamespace(guest: { name: string; tap: string; macAddress: string }): GuestNamespace {
  const { name, tap, macAddress } = guest
  program('ip', ['netns', 'add', name])
  // Without this the guest's own kernel sends IPv6 whenever its link comes up.
  program('ip', ['netns', 'exec', name, 'sysctl', '-q', '-e', '-w', 'net.ipv6.conf.default.disable_ipv6=1'])
  const peer = ['peer', 'name', 'eth0', 'address', macAddress, 'netns', name]
  program('ip', ['link', 'add', 'name', tap, 'type', 'veth', ...peer])
  program('ip', ['-n', name, 'link', 'set', 'dev', 'lo', 'up'])
  program('ip', ['-n', name, 'link', 'set', 'dev', 'eth0', 'up'])
  const inside = (args: readonly string[]) => ['netns', 'exec', name, ...args]
  return {
    name,
    run: (file, args) => program('ip', inside([file, ...args])),
    send: (frames) => void program('ip', inside(['perl', '-e', sendScript, ...frames])),
    capture: async (work) => {
      const child = startInside(name, 'perl', ['-e', captureScript])
      let received = ''
      await new Promise<void>((ready) => {
        child.stdout.on('data', (data: Buffer) => {
          received += data.toString()
          ready()
        })
      })
      await work()
      child.stdin.end()
      await new Promise((resolve) => child.once('close', resolve))
      return received.trim().split('\n').slice(1)
    },
    ask: (url) => program('ip', inside([process.execPath, '-e', askScript, url])).trim(),
    remove: () => {
      spawnSync('ip', ['netns', 'delete', name])
      spawnSync('ip', ['link', 'delete', 'dev', tap])
    },
  }
}

/** What must be as before once all is removed. */
export function readHost() {
  const links = JSON.parse(program('ip', ['-j', 'link', 'show'])) as { ifname: string }[]
  return {
    links: links.map((link) => link.ifname).sort(),
    namespaces: program('ip', ['netns', 'list']).split('\n').sort(),
    tables: program('nft', ['list', 'tables']).split('\n').sort(),
  }
}

// perl-base is on every Debian, and Node has no raw sockets. 17 is AF_PACKET, 3 is SOCK_RAW and ETH_P_ALL.
const openScript = `
  use Socket; $| = 1;
  socket(S, 17, 3, 0x0300) or die "socket: $!";
  open(F, "<", "/sys/class/net/eth0/ifindex") or die "ifindex: $!"; my $index = int(<F>);
  bind(S, pack("SnlSCCa8", 17, 3, $index, 0, 0, 0, "")) or die "bind: $!";
`
const sendScript = `${openScript}
  for (@ARGV) { defined(send(S, pack("H*", $_), 0)) or die "send: $!"; }
`
/** Stops half a second after its standard input ends, so that what is under way arrives. */
const captureScript = `${openScript}
  print "ready\\n"; my $end = 0; my $quiet = 0;
  while (!$end || $quiet < 5) {
    my $r = ""; vec($r, fileno(S), 1) = 1; vec($r, 0, 1) = 1 unless $end;
    my $found = select($r, undef, undef, 0.1);
    $quiet++ if $end && !$found;
    if (!$end && vec($r, 0, 1)) { $end = 1 unless sysread(STDIN, my $b, 1); }
    if (vec($r, fileno(S), 1)) {
      my $from = recv(S, my $frame, 65536, 0);
      my (undef, undef, undef, undef, $type) = unpack("SnlSC", $from);
      print unpack("H*", $frame), "\\n" unless $type == 4;
    }
  }
`
const askScript = `
  require('http').get(process.argv[1], { timeout: 10000 }, (response) => {
    let body = ''
    response.on('data', (data) => { body += data })
    response.on('end', () => console.log(response.statusCode + ' ' + body))
  }).on('error', (error) => console.log(error.code))
`

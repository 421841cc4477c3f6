// What is in each Debian package, as data: nothing is read or written here. In: nothing. Out: fields of its control file
// and where each of its files comes from.
export interface PackageDefinition {
  readonly name: string
  readonly summary: string
  /** Paragraphs of the description. */
  readonly description: readonly string[]
  readonly section: string
  readonly depends: readonly string[]
  readonly recommends: readonly string[]
  readonly suggests: readonly string[]
  /** What of systemd/packages/bundles.ts it has; with Node it goes to `programs`. */
  readonly bundle: 'agent' | 'scheduler' | 'cli'
  readonly programs: string
  /** Path in the package → path in the repository. */
  readonly files: Readonly<Record<string, string>>
  /** The same, for programs. */
  readonly executables: Readonly<Record<string, string>>
  /** The same, for files of /etc, which an upgrade leaves as an operator has changed them. */
  readonly settings: Readonly<Record<string, string>>
  /** The same, for pages of the manual. */
  readonly manual: Readonly<Record<string, string>>
  /** postinst, prerm, postrm: there, in the repository. */
  readonly scripts: string | undefined
}

/** Node's own: its releases are built for any glibc since 2.28. */
const nodeDepends = ['libc6 (>= 2.28)', 'libgcc-s1', 'libstdc++6 (>= 9)']

/** Debian 12's: what the units are tried with. */
const systemdDepends = ['systemd (>= 252)']

export const agentPackage: PackageDefinition = {
  name: 'berth-agent',
  summary: 'agent of a Berth host',
  description: [
    'Makes this machine a host of a Berth region: runs virtual machines with whole GPUs, their disks, networks and ' +
      "metadata, as the region's scheduler asks.",
    'Guests go on while the agent is stopped or upgraded.',
  ],
  section: 'admin',
  depends: [
    ...nodeDepends,
    ...systemdDepends,
    ...['qemu-system-x86 (>= 1:7.2)', 'qemu-utils', 'iproute2', 'nftables', 'dnsmasq-base'],
    ...['util-linux', 'kmod', 'procps'],
  ],
  recommends: ['ovmf'],
  suggests: ['berth', 'libvirt-daemon-system', 'libvirt-clients', 'acl'],
  bundle: 'agent',
  programs: '/usr/lib/berth-agent',
  files: {
    '/lib/systemd/system/berth-agent.service': 'systemd/berth-agent.service',
    '/lib/systemd/system/berth-guests.slice': 'systemd/berth-guests.slice',
    '/usr/lib/sysusers.d/berth-agent.conf': 'systemd/sysusers.d/berth-agent.conf',
    '/usr/lib/tmpfiles.d/berth-agent.conf': 'systemd/tmpfiles.d/berth-agent.conf',
  },
  executables: { '/usr/sbin/berth-agent': 'systemd/packages/berth-agent/berth-agent.sh' },
  settings: { '/etc/berth/agent.yaml.example': 'systemd/packages/berth-agent/agent.yaml.example' },
  manual: { '/usr/share/man/man8/berth-agent.8.gz': 'systemd/packages/berth-agent/berth-agent.8' },
  scripts: 'systemd/packages/berth-agent',
}

export const schedulerPackage: PackageDefinition = {
  name: 'berth-scheduler',
  summary: 'scheduler of a Berth region',
  description: [
    'Answers the HTTP API of a region of hypervisors with GPUs, decides which host runs an instance and which devices ' +
      'it gets, and remembers it.',
  ],
  section: 'admin',
  depends: [...nodeDepends, ...systemdDepends],
  recommends: [],
  suggests: ['berth'],
  bundle: 'scheduler',
  programs: '/usr/lib/berth-scheduler',
  files: {
    '/lib/systemd/system/berth-scheduler.service': 'systemd/berth-scheduler.service',
    '/lib/systemd/system/berth-scheduler.socket': 'systemd/berth-scheduler.socket',
    '/usr/lib/sysusers.d/berth-scheduler.conf': 'systemd/sysusers.d/berth-scheduler.conf',
    '/usr/lib/tmpfiles.d/berth-scheduler.conf': 'systemd/tmpfiles.d/berth-scheduler.conf',
  },
  executables: { '/usr/sbin/berth-scheduler': 'systemd/packages/berth-scheduler/berth-scheduler.sh' },
  settings: {
    '/etc/berth/scheduler.yaml.example': 'systemd/packages/berth-scheduler/scheduler.yaml.example',
  },
  manual: {
    '/usr/share/man/man8/berth-scheduler.8.gz': 'systemd/packages/berth-scheduler/berth-scheduler.8',
  },
  scripts: 'systemd/packages/berth-scheduler',
}

export const cliPackage: PackageDefinition = {
  name: 'berth',
  summary: 'command line of Berth regions',
  description: [
    'Asks a Berth region for instances, disks and networks over its HTTP API, and shows what becomes of them.',
  ],
  section: 'utils',
  depends: nodeDepends,
  recommends: ['openssh-client'],
  suggests: [],
  bundle: 'cli',
  programs: '/usr/lib/berth',
  files: {},
  executables: { '/usr/bin/berth': 'systemd/packages/berth/berth.sh' },
  settings: {},
  manual: { '/usr/share/man/man1/berth.1.gz': 'systemd/packages/berth/berth.1' },
  scripts: undefined,
}

export const packageDefinitions: readonly PackageDefinition[] = [agentPackage, schedulerPackage, cliPackage]

// The disk of a virtual hypervisor: a Debian 12 with systemd, QEMU and what the agent drives, but no Berth in it. That
// comes from the repository, which each host mounts read-only at /opt/berth.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type DebianDisk, type DebianRecipe, ensureDebianDisk } from '../../cli/demo/debian-disk.ts'

export interface HostImage extends DebianDisk {
  /** Logs in as root on every lab host. */
  readonly privateKeyPath: string
}

const packages = [
  ...['systemd-sysv', 'udev', 'dbus', 'kmod', 'openssh-server', 'iproute2', 'iputils-ping', 'procps'],
  ...['nftables', 'dnsmasq-base', 'pciutils', 'e2fsprogs', 'netcat-openbsd', 'tcpdump', 'wget'],
  ...['qemu-system-x86', 'qemu-utils', 'linux-image-amd64'],
]

/** Beside what every host has. */
const furtherPackages = {
  none: [],
  libvirt: ['libvirt-daemon-system', 'libvirt-clients', 'acl', 'apparmor'],
} as const

export type FurtherSoftware = keyof typeof furtherPackages

const modules = ['tun', 'kvm_amd', 'vhost_net', 'vfio-pci', '8021q']

/**
 * Holds one virtual machine open, so that the kernel never rewrites its own scheduler for the first that comes and the last
 * that goes: an emulator whose processors are threads can keep what stood there meanwhile, an int3, for good. Both
 * processors then loop in __schedule, and the host is gone without a word; one of some thirty guests brought it about.
 */
const heldMachine = [
  ...['[Unit]', 'Description=One virtual machine that is always there'],
  ...['[Service]', `ExecStart=perl -e 'open K, "+<", "/dev/kvm" and ioctl K, 0xAE01, 0 or die $!; sleep'`],
  ...['Restart=on-failure', 'RestartSec=1', ''],
].join('\n')

const files: Readonly<Record<string, string>> = {
  '/etc/fstab': [
    'LABEL=root / ext4 defaults,noatime,x-systemd.growfs 0 1',
    'berth /opt/berth 9p trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 0 0',
    'share /lab 9p trans=virtio,version=9p2000.L,msize=262144 0 0',
    '',
  ].join('\n'),
  '/opt/berth/.mount-point': '',
  '/lab/.mount-point': '',
  '/etc/machine-id': '',
  '/etc/hostname': 'lab\n',
  '/etc/modules-load.d/lab.conf': `${modules.join('\n')}\n`,
  '/etc/systemd/network/10-management.network': [
    ...['[Match]', 'Name=eth0', '[Network]', 'Address=10.0.2.15/24', 'Gateway=10.0.2.2', ''],
  ].join('\n'),
  '/etc/systemd/system/held-machine.service': heldMachine,
  '/etc/ssh/sshd_config.d/lab.conf': 'UseDNS no\nMaxSessions 100\nMaxStartups 100\n',
}

const links = {
  '/etc/systemd/system/multi-user.target.wants/systemd-networkd.service':
    '/lib/systemd/system/systemd-networkd.service',
  '/etc/systemd/system/multi-user.target.wants/held-machine.service':
    '/etc/systemd/system/held-machine.service',
}

export async function ensureHostImage(
  say: (line: string) => void = () => {},
  further: FurtherSoftware = 'none',
): Promise<HostImage> {
  const privateKeyPath = ensureKey()
  const recipe: DebianRecipe = {
    name: 'lab-host',
    packages: [...packages, ...furtherPackages[further]],
    maskedUnits: [
      ...['apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'e2scrub_all.timer'],
      ...['e2scrub_reap.service', 'fstrim.timer', 'getty@tty1.service', 'serial-getty@ttyS0.service'],
      'systemd-networkd-wait-online.service',
    ],
    earlyFiles: {
      '/etc/initramfs-tools/conf.d/lab': 'MODULES=list\nCOMPRESS=gzip\nRESUME=none\n',
      '/etc/initramfs-tools/modules': 'virtio_pci\nvirtio_blk\next4\n',
    },
    files: { ...files, '/root/.ssh/authorized_keys': readFileSync(`${privateKeyPath}.pub`, 'utf8') },
    links,
    commandLine: 'root=LABEL=root rw console=ttyS0 net.ifnames=0 intel_iommu=on quiet',
    diskBytes: 3 * 1024 ** 3,
  }
  return { ...(await ensureDebianDisk(recipe, { onProgress: say })), privateKeyPath }
}

/** One for all lab hosts of this user: they are reached on loopback alone. */
function ensureKey(): string {
  const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'berth')
  const path = join(folder, 'lab-key')
  if (existsSync(path)) return path
  execFileSync('mkdir', ['-p', folder])
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'berth-lab', '-f', path])
  return path
}

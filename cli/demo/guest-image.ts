// The demo's guest: a Debian 12 with cloud-init and ssh; and others like it, for tests.
import { type BuildOptions, type DebianDisk, type DebianRecipe, ensureDebianDisk } from './debian-disk.ts'

const commandLine = 'root=LABEL=root ro console=ttyS0 quiet'
const diskBytes = 1024 ** 3

const packages = [
  'systemd-sysv',
  'udev',
  'dbus',
  'cloud-init',
  'openssh-server',
  'iproute2',
  'iputils-ping',
  'systemd-resolved',
  'isc-dhcp-client',
  'curl',
  'sudo',
  'e2fsprogs',
  'linux-image-cloud-amd64',
]

// What a guest on an emulated processor can do without: each of these costs seconds at boot.
const maskedUnits = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'systemd-pstore.service',
  'systemd-binfmt.service',
  'getty@tty1.service',
]

// Before the kernel is installed, so that the initrd is made once, and small.
const earlyFiles: Readonly<Record<string, string>> = {
  '/etc/initramfs-tools/conf.d/berth': 'MODULES=list\nCOMPRESS=gzip\nRESUME=none\n',
  '/etc/initramfs-tools/modules': 'virtio_pci\nvirtio_blk\nvirtio_scsi\nsd_mod\nnvme\n',
}

const files: Readonly<Record<string, string>> = {
  '/etc/fstab': 'LABEL=root / ext4 defaults,noatime 0 1\n',
  '/etc/hostname': 'guest\n',
  // Empty: systemd makes one at first boot, so that no two guests share it.
  '/etc/machine-id': '',
  '/etc/cloud/cloud.cfg.d/90-berth.cfg': [
    'datasource_list: [NoCloud, GCE, Ec2, OpenStack, None]',
    // A whole disk without partitions: only the file system has to grow.
    'growpart: {mode: "off"}',
    'resize_rootfs: true',
    'ssh_genkeytypes: [ed25519]',
    'ssh: {emit_keys_to_console: false}',
    'locale: false',
    // As in Debian's own cloud images: the guest knows its whole name by itself.
    'manage_etc_hosts: true',
    'apt: {preserve_sources_list: true}',
    '',
  ].join('\n'),
}

const links: Readonly<Record<string, string>> = {
  '/etc/systemd/system/multi-user.target.wants/systemd-networkd.service':
    '/lib/systemd/system/systemd-networkd.service',
  '/etc/systemd/system/network-online.target.wants/systemd-networkd-wait-online.service':
    '/lib/systemd/system/systemd-networkd-wait-online.service',
}

/** What differs in a Debian 13, with the agent that Google's images have: it runs where the machine says that it is Google's. */
export const debian13: Partial<DebianRecipe> = {
  suite: 'trixie',
  packages: [...packages, 'google-guest-agent'],
  files: {
    ...files,
    ...Object.fromEntries(
      ['guest-agent', 'startup-scripts', 'shutdown-scripts'].map((unit) => [
        `/etc/systemd/system/google-${unit}.service.d/condition.conf`,
        '[Unit]\nConditionFirmware=smbios-field(product_name = "Google Compute Engine")\n',
      ]),
    ),
  },
}

export const ensureGuestImage = (
  options: BuildOptions = {},
  otherwise: Partial<DebianRecipe> = {},
): Promise<DebianDisk> =>
  ensureDebianDisk(
    {
      ...{ name: 'debian-guest', packages, maskedUnits, earlyFiles, files, links, commandLine, diskBytes },
      ...otherwise,
    },
    options,
  )

// The hosts of test/fixtures/sysfs as whole hosts: what their kernels say, and programs and files to go with it.
import { FakeExec, type FakeProgram } from '../../../agent/host/fake/fake-exec.ts'
import { FakeFiles } from '../../../agent/host/fake/fake-files.ts'
import type { Sysfs } from '../../../agent/host/ports.ts'
import { diagnoseHost } from '../../../agent/inventory/doctor.ts'
import type { HostFactsOptions, InventorySettings } from '../../../agent/inventory/host-facts.ts'
import type { Machine } from '../../../agent/inventory/machine.ts'
import { type Recording, recordSysfs } from '../../../agent/inventory/recording.ts'
import { recordedSysfs } from './recorded-sysfs.ts'

const gibibyte = 1024 ** 3

const machineHelp = [
  'Supported machines are:',
  'pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)',
  'q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)',
  'pc-q35-7.2           Standard PC (Q35 + ICH9, 2009)',
].join('\n')

export interface FixtureHost {
  readonly machine: Pick<Machine, 'hostname' | 'cpus' | 'memoryMib'>
  readonly diskGb: number
  /** An interface that its settings may make a gateway. */
  readonly gatewayInterface: string
  readonly kvmOpens: boolean
  readonly hasVlans: boolean
  readonly hasQemu: boolean
  /** Programs that are not installed. */
  readonly missing: readonly string[]
  /** Programs that end with an error. */
  readonly failing: readonly string[]
  /** What systemd says of services that change rules. */
  readonly units: string
  readonly files: readonly string[]
}

const healthy = {
  kvmOpens: true,
  hasVlans: true,
  hasQemu: true,
  missing: [],
  failing: [],
  units: '',
  files: ['/dev/net/tun', '/usr/share/OVMF/OVMF_CODE_4M.fd'],
}

export const fixtureHosts = {
  'hgx-h100': {
    ...healthy,
    machine: { hostname: 'gpu-1', cpus: 224, memoryMib: 2 * 1024 * 1024 },
    diskGb: 28_000,
    gatewayInterface: 'eth1',
  },
  'shared-group': {
    ...healthy,
    machine: { hostname: 'desk-1', cpus: 16, memoryMib: 64 * 1024 },
    diskGb: 900,
    gatewayInterface: 'eth0',
    units: 'Id=docker.service\nActiveState=active\nUnitFileState=enabled',
  },
  'no-iommu': {
    ...healthy,
    machine: { hostname: 'old-1', cpus: 32, memoryMib: 128 * 1024 },
    diskGb: 11,
    gatewayInterface: 'eth0',
    missing: ['dnsmasq', 'nft'],
    failing: ['prlimit', 'test'],
    units: 'Id=nftables.service\nActiveState=inactive\nUnitFileState=enabled',
    files: ['/dev/net/tun'],
  },
  'small-vm': {
    ...healthy,
    machine: { hostname: 'vm', cpus: 2, memoryMib: 24_105 },
    diskGb: 100,
    gatewayInterface: 'lo',
    hasVlans: false,
  },
} satisfies Record<string, FixtureHost>

export type FixtureName = keyof typeof fixtureHosts

export const fixtureSettings: InventorySettings = {
  accelerator: 'auto',
  qemuProgram: 'qemu-system-x86_64',
  stateDirectory: '/var/lib/berth',
}

export async function fixtureOptions(
  name: FixtureName,
  more: {
    settings?: Partial<InventorySettings>
    host?: Partial<FixtureHost>
    sysfs?: Sysfs
    /** That the host has besides. */
    programs?: Readonly<Record<string, FakeProgram>>
    /** Of guests' disks, in bytes. */
    diskSizes?: readonly number[]
  } = {},
): Promise<HostFactsOptions & { readonly files: FakeFiles }> {
  const host: FixtureHost = { ...fixtureHosts[name], ...more.host }
  return {
    exec: new FakeExec({ ...programsOf(host), ...more.programs }),
    files: await filesOf(host, more.diskSizes ?? []),
    sysfs: more.sysfs ?? recordedSysfs(name),
    machine: async () => ({ ...host.machine, architecture: 'x86_64', kernel: '6.1.0' }),
    settings: { ...fixtureSettings, ...more.settings },
  }
}

/** What the agent looks at on this host, as a gateway too. */
export async function recordHost(name: FixtureName, sysfs: Sysfs): Promise<Recording> {
  const recorder = recordSysfs(sysfs)
  const gateway = {
    interface: fixtureHosts[name].gatewayInterface,
    ...{ allowedRanges: [], deniedRanges: [], nameServers: [] },
  }
  await diagnoseHost(await fixtureOptions(name, { sysfs: recorder.sysfs, settings: { gateway } }))
  return recorder.recording()
}

function programsOf(host: FixtureHost): Record<string, FakeProgram> {
  const succeed: FakeProgram = () => ({})
  const fail: FakeProgram = (args) => ({ code: args[0] === '--version' ? 0 : 1 })
  const programs: Record<string, FakeProgram> = {
    dd: () => ({ code: host.kvmOpens ? 0 : 1 }),
    unshare: (args) => ({ code: host.hasVlans || args[0] === '--version' ? 0 : 2 }),
    systemctl: () => ({ stdout: host.units }),
    ...(host.hasQemu && {
      'qemu-system-x86_64': (args: readonly string[]) => ({
        stdout:
          args[0] === '--version' ? 'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\n' : machineHelp,
      }),
    }),
  }
  for (const name of ['qemu-img', 'ip', 'tc', 'nft', 'dnsmasq', 'setpriv', 'prlimit', 'sysctl', 'test']) {
    const result = host.failing.includes(name) ? fail : succeed
    if (!host.missing.includes(name)) programs[name] = result
  }
  return programs
}

async function filesOf(host: FixtureHost, diskSizes: readonly number[]): Promise<FakeFiles> {
  const files = new FakeFiles({ totalBytes: host.diskGb * gibibyte, nowMs: () => 0 })
  await files.makeDirectory('/var/lib/berth/instances/a')
  diskSizes.forEach((sizeBytes, index) => {
    files.place(`/var/lib/berth/instances/a/disk${index}.qcow2`, { sizeBytes })
  })
  for (const path of host.files) {
    await files.makeDirectory(path.slice(0, path.lastIndexOf('/')))
    files.place(path, {})
  }
  return files
}

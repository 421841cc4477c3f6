// What else of the system is in the way of guests: its devices, limits, services and disk. It looks and changes nothing.
import type { HostFacts, HostWarning } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import { findClosedDirectory } from '../directories.ts'
import { type Exec, ExecError, type Files, type Sysfs } from '../host/ports.ts'
import { guestAcceleratorsOf } from './guest-accelerators.ts'
import type { InventorySettings } from './host-facts.ts'
import { nearestDirectory } from './nearest-directory.ts'
import { readServices } from './services.ts'
import { toWarnings } from './warnings.ts'

const leastDiskGb = 10
const firmwareFiles = ['/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_CODE.fd']

export async function findSystemTroubles(options: {
  exec: Exec
  files: Files
  sysfs: Sysfs
  facts: HostFacts
  settings: InventorySettings
}): Promise<readonly HostWarning[]> {
  const { exec, files, sysfs, facts, settings } = options
  const hasAccelerators = guestAcceleratorsOf(facts, settings.accelerators).length > 0
  const directory = await nearestDirectory(files, settings.stateDirectory)
  const closed = await findClosedDirectory(files, settings.stateDirectory)
  const memoryBytes = facts.memoryMib * 1024n ** 2n
  const [vfio, tun, firmware, limitsMemlock, refusesWrites, services] = await Promise.all([
    sysfs.list('sys/bus/pci/drivers/vfio-pci'),
    files.stat('/dev/net/tun'),
    Promise.all(firmwareFiles.map((path) => files.stat(path))),
    refuses(exec, 'prlimit', [`--memlock=${memoryBytes}:${memoryBytes}`, 'true']),
    refuses(exec, 'test', ['-w', directory]),
    readServices({ exec, sysfs }),
  ])
  const hugepages = facts.cells.flatMap((cell) => cell.hugepages)
  return toWarnings([
    [
      tun === undefined,
      'NO_TUN',
      '/dev/net/tun is missing: the agent does not start. Load the kernel module tun: modprobe tun, and its name in /etc/modules-load.d.',
    ],
    [
      hasAccelerators && vfio.length === 0,
      'NO_VFIO',
      'The kernel module vfio-pci is not loaded: no device goes to a guest. modprobe vfio-pci, and its name in /etc/modules-load.d.',
    ],
    [
      hasAccelerators && hugepages.every(({ pages }) => pages === 0n),
      'NO_HUGEPAGES',
      `No huge pages are set aside, and all memory of a guest with devices is taken when it starts, page by page. Boot with default_hugepagesz=1G hugepagesz=1G hugepages=N, where N is no more than ${Math.floor(facts.allocatableMemoryMib / 1024)}, what this host has for guests.`,
    ],
    [
      hasAccelerators && firmware.every((info) => info === undefined),
      'NO_FIRMWARE',
      `No UEFI firmware for guests is there (${firmwareFiles[0]}): guests with large devices may not see all of their memory. Install ovmf.`,
    ],
    [
      hasAccelerators && limitsMemlock,
      'MEMLOCK_LIMITED',
      'The limit on locked memory can not be raised to what this host has, and a guest with devices locks all of its memory. Run the agent as root with CAP_SYS_RESOURCE; in a container give it that capability.',
    ],
    [
      services.nftables,
      'RULES_ARE_FLUSHED',
      "nftables.service is on: when it starts, reloads or stops it removes every rule, those at guests' taps too. Load the host's own rules from a unit that replaces only its own tables, and disable this one while no guest runs.",
    ],
    [
      services.docker,
      'DOCKER_RUNS',
      "Docker runs: it drops what the host forwards for guests, and may send guests' frames through its iptables rules whenever it starts. Run containers on other hosts.",
    ],
    [
      services.firewalld,
      'FIREWALLD_RUNS',
      'firewalld runs: it rejects what the host forwards for guests. Disable it, and load rules for the host itself with nft.',
    ],
    [
      refusesWrites,
      'STATE_NOT_WRITABLE',
      `${directory} can not be written to, and the agent keeps all it must remember in ${settings.stateDirectory}: mount the file system for writing, or run the agent as root.`,
    ],
    [closed !== undefined, 'STATE_CLOSED', closed ?? ''],
    [
      facts.allocatableDiskGb < leastDiskGb,
      'DISK_FULL',
      `Guests' disks have ${facts.allocatableDiskGb} GB on the file system of ${settings.stateDirectory}: make room, or mount a larger one there.`,
    ],
  ])
}

/** A program that is not there has nothing to say. */
async function refuses(exec: Exec, file: string, args: readonly string[]): Promise<boolean> {
  try {
    await exec.run(file, args)
    return false
  } catch (thrown) {
    if (thrown instanceof ExecError) return thrown.kind !== 'not-found'
    throw thrown
  }
}

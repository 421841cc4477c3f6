// Owns what an agent says about its machine. In: the host's doors and the operator's settings. Out: HostFacts.
// It reports and never decides: a fact frees, moves or takes nothing. It changes nothing on the host.
import { create } from '@bufbuild/protobuf'
import type { KnownAccelerator } from '../../proto/accelerators.ts'
import { Accelerator, type HostFacts, HostFactsSchema } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { FabricManagerSettings } from '../drivers/fabric/fmpm.ts'
import type { Exec, Files, Sysfs } from '../host/ports.ts'
import type { GatewaySettings } from '../plan/gateway.ts'
import { withAllocatable } from './allocatable-cells.ts'
import { readCpuCells } from './cpu-cells.ts'
import { planCpuShare } from './cpus.ts'
import { readDiskPool } from './disk-pool.ts'
import { readFabric, withFabric } from './fabric.ts'
import { readFeatures, type TriedKernel, tryKernel } from './features.ts'
import { guestAcceleratorsOf } from './guest-accelerators.ts'
import { planIommuAdvice } from './iommu.ts'
import type { Machine } from './machine.ts'
import { planMemoryShare, readMemoryMib } from './memory.ts'
import { readPciDevices } from './pci-devices.ts'
import { readUplinks, type UplinkSettings } from './uplinks.ts'
import { type DecidedVirtualization, readVirtualization } from './virtualization.ts'
import { planWarnings } from './warnings.ts'

export interface InventorySettings {
  readonly accelerator: 'auto' | 'kvm' | 'tcg'
  readonly qemuProgram: string
  /** Default qemu. */
  readonly hypervisor?: 'qemu' | 'libvirt'
  /** Its file system is the disk pool. */
  readonly stateDirectory: string
  readonly uplinks?: readonly UplinkSettings[]
  readonly gateway?: GatewaySettings
  readonly fabricManager?: FabricManagerSettings
  /** The host's own share; each has a default that grows with the machine. */
  readonly reservedCpus?: number
  readonly reservedMemoryMib?: number
  readonly reservedDiskGb?: number
  /** Which the operator names by their PCI ids. */
  readonly accelerators?: readonly KnownAccelerator[]
}

export interface HostFactsOptions {
  readonly exec: Exec
  readonly files: Files
  readonly sysfs: Sysfs
  readonly machine: () => Promise<Machine>
  readonly settings: InventorySettings
}

export async function readHostFacts(options: HostFactsOptions): Promise<HostFacts> {
  const [read, fabric] = await Promise.all([createFactsReader(options), readFabric(options)])
  return withFabric(await read(), fabric)
}

/**
 * Reads the facts again and again, each time at the price of some files. What programs have to be asked for is asked once:
 * guests are started with what the agent has found when it started. NVSwitches are not among them: an agent looks after those.
 */
export async function createFactsReader(options: HostFactsOptions): Promise<() => Promise<HostFacts>> {
  const { exec, sysfs, settings } = options
  const [machine, decided, tried] = await Promise.all([
    options.machine(),
    readVirtualization({ exec, sysfs, settings }),
    tryKernel({ exec, gateway: settings.gateway }),
  ])
  return () => readFacts(options, { machine, decided, tried })
}

async function readFacts(
  { files, sysfs, settings }: HostFactsOptions,
  { machine, decided, tried }: { machine: Machine; decided: DecidedVirtualization; tried: TriedKernel },
): Promise<HostFacts> {
  const [pool, devices, cells, features, found, total] = await Promise.all([
    readDiskPool({ files, settings }),
    readPciDevices(sysfs),
    readCpuCells(sysfs),
    readFeatures(tried, { sysfs, gateway: settings.gateway }),
    readUplinks(sysfs, settings.uplinks ?? []),
    readMemoryMib(sysfs),
  ])
  const memoryMib = total ?? machine.memoryMib
  const usesKvm = decided.virtualization.accelerator === Accelerator.KVM
  const accelerators = guestAcceleratorsOf({ devices: [...devices.accelerators] }, settings.accelerators)
  const allocatable = {
    vcpus: planCpuShare(machine.cpus, settings.reservedCpus),
    memoryMib: planMemoryShare(memoryMib, settings.reservedMemoryMib),
  }
  const bridgeFilters = await sysfs.read('proc/sys/net/bridge/bridge-nf-call-iptables')
  return create(HostFactsSchema, {
    ...machine,
    diskGb: BigInt(pool.totalGb),
    memoryMib: BigInt(memoryMib),
    allocatableVcpus: allocatable.vcpus,
    allocatableMemoryMib: allocatable.memoryMib,
    allocatableDiskGb: pool.allocatableGb,
    virtualization: decided.virtualization,
    devices: [...devices.accelerators],
    otherDevices: [...devices.others],
    cells: withAllocatable(cells, allocatable),
    uplinks: features.includes('vlan') ? [...found.uplinks] : [],
    features: [
      ...(usesKvm ? ['kvm'] : []),
      // libvirt 9 can't make them.
      ...(settings.hypervisor === 'libvirt' ? ['libvirt'] : ['nvme-disks']),
      ...features,
    ],
    warnings: planWarnings({
      ...decided,
      features,
      acceleratorCount: accelerators.length,
      iommuAdvice: planIommuAdvice({
        cpuinfo: (await sysfs.read('proc/cpuinfo')) ?? '',
        commandLine: (await sysfs.read('proc/cmdline')) ?? '',
      }),
      missingUplinks: found.missing,
      gateway: settings.gateway?.interface,
      bridgeCallsIptables: bridgeFilters === '1',
    }),
  })
}

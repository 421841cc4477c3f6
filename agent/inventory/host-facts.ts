// Owns what an agent says about its machine. In: the host's doors and the operator's settings. Out: HostFacts.
// It reports and never decides: a fact frees, moves or takes nothing. It changes nothing on the host.
import { create } from '@bufbuild/protobuf'
import type { KnownAccelerator } from '../../proto/accelerators.ts'
import { Accelerator, type HostFacts, HostFactsSchema } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { Exec, Files, Sysfs } from '../host/ports.ts'
import type { GatewaySettings } from '../plan/gateway.ts'
import { readCpuCells } from './cpu-cells.ts'
import { planCpuShare } from './cpus.ts'
import { readDiskPool } from './disk-pool.ts'
import { readFeatures } from './features.ts'
import { guestAcceleratorsOf } from './guest-accelerators.ts'
import { planIommuAdvice } from './iommu.ts'
import type { Machine } from './machine.ts'
import { planMemoryShare } from './memory.ts'
import { readPciDevices } from './pci-devices.ts'
import { readUplinks, type UplinkSettings } from './uplinks.ts'
import { readVirtualization } from './virtualization.ts'
import { planWarnings } from './warnings.ts'

export interface InventorySettings {
  readonly accelerator: 'auto' | 'kvm' | 'tcg'
  readonly qemuProgram: string
  /** Its file system is the disk pool. */
  readonly stateDirectory: string
  readonly uplinks?: readonly UplinkSettings[]
  readonly gateway?: GatewaySettings
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
  const { exec, files, sysfs, settings } = options
  const [machine, pool, devices, cells, decided, features, found] = await Promise.all([
    options.machine(),
    readDiskPool({ files, settings }),
    readPciDevices(sysfs),
    readCpuCells(sysfs),
    readVirtualization({ exec, sysfs, settings }),
    readFeatures({ exec, sysfs, gateway: settings.gateway }),
    readUplinks(sysfs, settings.uplinks ?? []),
  ])
  const usesKvm = decided.virtualization.accelerator === Accelerator.KVM
  const accelerators = guestAcceleratorsOf({ devices: [...devices.accelerators] }, settings.accelerators)
  const bridgeFilters = await sysfs.read('proc/sys/net/bridge/bridge-nf-call-iptables')
  return create(HostFactsSchema, {
    ...machine,
    diskGb: BigInt(pool.totalGb),
    memoryMib: BigInt(machine.memoryMib),
    allocatableVcpus: planCpuShare(machine.cpus, settings.reservedCpus),
    allocatableMemoryMib: planMemoryShare(machine.memoryMib, settings.reservedMemoryMib),
    allocatableDiskGb: pool.allocatableGb,
    virtualization: decided.virtualization,
    devices: [...devices.accelerators],
    otherDevices: [...devices.others],
    cells,
    uplinks: features.includes('vlan') ? [...found.uplinks] : [],
    features: [...(usesKvm ? ['kvm'] : []), ...features],
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

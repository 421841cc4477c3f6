// The machines whose domains are written down, and given to the real libvirt.
import type { DomainPlan } from '../../../agent/plan/domain-xml.ts'
import { planGuestHardware } from '../../../agent/plan/guest-hardware.ts'
import type { HostHardware } from '../../../agent/plan/host-hardware.ts'
import type { MachinePlan } from '../../../agent/plan/machine-plan.ts'
import { instancePaths } from '../../../agent/plan/paths.ts'
import { planPinned } from '../../../agent/plan/pinned.ts'
import { Firmware, type InstanceSpec } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { directories, scsiDisks, seeded, small } from './guest-machines.ts'
import { guestOfGpus, hgxHost, toldIn } from './hgx-host.ts'

type Accelerator = 'kvm' | 'tcg'

interface Written {
  readonly name: string
  readonly spec: InstanceSpec
  readonly accelerator: Accelerator
  readonly hardware?: HostHardware
  readonly more?: Pick<MachinePlan, 'directKernel' | 'bases' | 'hasVhost'>
}

const kernel = { kernelPath: '/images/kernel', initrdPath: '/images/initrd', commandLine: 'console=ttyS0' }
const bases = new Map([['disk0', { path: '/images/base', format: 'raw' as const }]])
const plainHost = hgxHost({ hasHugepages: false, isNumaKnown: false })

export const writtenDomains: readonly Written[] = [
  { name: 'small-tcg', spec: small, accelerator: 'tcg', more: { directKernel: kernel } },
  { name: 'small-kvm', spec: small, accelerator: 'kvm', more: { bases, hasVhost: true } },
  { name: 'seed-disk-kvm', spec: seeded, accelerator: 'kvm' },
  {
    ...{ name: 'small-cell-kvm', spec: toldIn(small, 1), accelerator: 'kvm' },
    hardware: hgxHost(),
  },
  { name: 'scsi-disks-kvm', spec: scsiDisks, accelerator: 'kvm', more: { hasVhost: true } },
  ...[1, 2, 4, 8].map(
    (count): Written => ({
      ...{ name: `hgx-${count}-kvm`, spec: guestOfGpus(count), accelerator: 'kvm', hardware: hgxHost() },
    }),
  ),
  {
    ...{ name: 'hgx-8-amd-kvm', spec: guestOfGpus(8), accelerator: 'kvm' },
    hardware: hgxHost({ cpuVendor: 'AuthenticAMD', hasHugepages: false }),
  },
  {
    ...{ name: 'hgx-1-uefi-tcg', spec: guestOfGpus(1, 0, { firmware: Firmware.UEFI }), accelerator: 'tcg' },
    hardware: hgxHost(),
  },
  { name: 'hgx-4-unknown-numa-tcg', spec: guestOfGpus(4), accelerator: 'tcg', hardware: plainHost },
]

/** The real libvirt of a machine without KVM makes the emulated one of each. */
export function domainPlanOf(written: Written, accelerator = written.accelerator): DomainPlan {
  const { spec, hardware } = written
  const pinned = planPinned(spec, { machineType: 'pc-q35-7.2', accelerator, runAsUid: 200_000 }, hardware)
  const planned = planGuestHardware({ spec, pinned, hardware })
  return {
    machine: {
      ...{ spec, pinned, paths: instancePaths(directories, spec.uid), ...written.more },
      ...(planned ? { hardware: planned } : {}),
    },
    program: '/usr/bin/qemu-system-x86_64',
    runAs: { uid: 200_000, gid: 200_000 },
  }
}

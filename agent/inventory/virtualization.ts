import { create } from '@bufbuild/protobuf'
import {
  Accelerator,
  type Virtualization,
  VirtualizationSchema,
} from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { Exec, Sysfs } from '../host/ports.ts'
import type { InventorySettings } from './host-facts.ts'
import { readQemu } from './qemu.ts'
import { succeeds } from './succeeds.ts'

export interface KvmEvidence {
  readonly deviceOpens: boolean
  readonly cpuHasExtension: boolean
}

export interface DecidedVirtualization {
  readonly virtualization: Virtualization
  readonly evidence: KvmEvidence
}

export async function readVirtualization(options: {
  exec: Exec
  sysfs: Sysfs
  settings: Pick<InventorySettings, 'accelerator' | 'qemuProgram'>
}): Promise<DecidedVirtualization> {
  const { exec, sysfs, settings } = options
  const evidence = {
    deviceOpens: await readKvmOpens(exec),
    cpuHasExtension: parseCpuHasExtension((await sysfs.read('proc/cpuinfo')) ?? ''),
  }
  const qemu = await readQemu({ exec, program: settings.qemuProgram })
  return {
    evidence,
    virtualization: create(VirtualizationSchema, {
      ...planAccelerator(settings.accelerator, evidence),
      qemuVersion: qemu?.version ?? '',
    }),
  }
}

/**
 * A /dev/kvm that opens proves nothing by itself: software KVMs answer QEMU and then boot no kernel. The processor
 * must have the extension too, unless the operator knows better.
 */
export function planAccelerator(
  setting: InventorySettings['accelerator'],
  evidence: KvmEvidence,
): { accelerator: Accelerator; reason: string } {
  if (setting === 'kvm') return { accelerator: Accelerator.KVM, reason: 'The operator chose KVM.' }
  if (setting === 'tcg') return { accelerator: Accelerator.TCG, reason: 'The operator chose emulation.' }
  if (!evidence.deviceOpens) {
    return { accelerator: Accelerator.TCG, reason: '/dev/kvm does not open.' }
  }
  if (!evidence.cpuHasExtension) {
    return {
      accelerator: Accelerator.TCG,
      reason: '/dev/kvm opens, but the CPU has neither vmx nor svm: guests would hang.',
    }
  }
  return { accelerator: Accelerator.KVM, reason: '/dev/kvm opens and the CPU has the extension.' }
}

export function parseCpuHasExtension(cpuinfo: string): boolean {
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1] ?? ''
  return flags.split(' ').some((flag) => flag === 'vmx' || flag === 'svm')
}

/** Opens it and reads nothing: permissions alone don't tell whether a driver is behind it. */
const readKvmOpens = (exec: Exec) =>
  succeeds(exec, 'dd', ['if=/dev/kvm', 'of=/dev/null', 'count=0', 'status=none'])

import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Pinned } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { GuestHardware } from './guest-hardware.ts'
import type { InstancePaths } from './paths.ts'

/** Files of an image that is booted without a boot loader. */
export interface DirectKernelFiles {
  readonly kernelPath: string
  readonly initrdPath: string
  readonly commandLine: string
}

/** The image that a disk rests on. It rests on nothing itself. */
export interface DiskBase {
  readonly path: string
  readonly format: 'raw' | 'qcow2'
}

/** One guest's machine, whole: what a hypervisor's own words for it are rendered from. */
export interface MachinePlan {
  readonly spec: InstanceSpec
  readonly pinned: Pinned
  readonly paths: InstancePaths
  readonly directKernel?: DirectKernelFiles
  /** By the names of their disks; one that is not here rests on nothing. */
  readonly bases?: ReadonlyMap<string, DiskBase>
  /** Frames go between tap and guest in the kernel, without QEMU. Where it can't, QEMU warns and carries them itself. */
  readonly hasVhost?: boolean
  /** Where the pinned machine has hardware. */
  readonly hardware?: GuestHardware
}

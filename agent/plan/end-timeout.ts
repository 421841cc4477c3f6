import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'

/** Enough for any process without much memory. */
const baseMs = 10_000
/**
 * The process is there until the kernel has taken back each page of it. Pages of 4 KiB, which are the slowest: 0.09 s for
 * 1 GiB, measured, on a machine with nothing else to do; twice that is waited for.
 */
const freeMsPerGib = 180
/** Before that each page is taken from the IOMMU and unpinned: one way over all of them for each. */
const waysWithDevices = 3
/** The kernel stalls over each device as well: as long as libvirt waits for one (qemuProcessKill). */
const deviceMs = 2000

/** How long a guest's process may take to be gone after SIGKILL: only later something is wrong with it. */
export function planEndTimeoutMs({ gpus, memoryMib }: Pick<InstanceSpec, 'gpus' | 'memoryMib'>): number {
  const ways = gpus.length > 0 ? waysWithDevices : 1
  return Math.ceil(baseMs + (memoryMib / 1024) * ways * freeMsPerGib + gpus.length * deviceMs)
}

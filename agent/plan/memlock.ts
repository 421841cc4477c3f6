import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'

/** For what QEMU pins beside the guest's memory: the windows of its devices. */
const overheadMib = 1024
/** What any program may pin by default on Debian: enough where no device reads guest memory by itself. */
const defaultMib = 8

/** A passed-through device reads and writes guest memory by DMA: all of it stays where it is. */
export function planMemlockMib(spec: Pick<InstanceSpec, 'gpus' | 'memoryMib'>): number {
  return spec.gpus.length > 0 ? spec.memoryMib + overheadMib : defaultMib
}

import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'

/**
 * Beside the guest's memory: its firmware and what else of QEMU's own a device could reach. libvirt adds as much to every
 * guest with a device; measured is far less, but a limit takes no memory, and one that is too low lets no guest start.
 */
const overheadMib = 1024
/** What any program may pin by default on Debian: enough where no device reads guest memory by itself. */
const defaultMib = 8

/**
 * A passed-through device reads and writes guest memory by DMA: all of it stays where it is. The kernel counts it once for
 * each VFIO container, hugepages included, and QEMU has one container for all devices of a guest that has no IOMMU of its
 * own: so it counts once, however many devices there are. (With a virtual IOMMU each device would have an address space of
 * its own, and all memory would count for each of them. Berth gives guests none.) Memory of the devices, which they reach in
 * each other, is mapped and not counted: no page of the host's is behind it.
 */
export function planMemlockMib(spec: Pick<InstanceSpec, 'gpus' | 'memoryMib'>): number {
  return spec.gpus.length > 0 ? spec.memoryMib + overheadMib : defaultMib
}

import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'

/** An idle QEMU with a 512 MiB guest has 36 to 40 MiB resident, measured; as much again for work. */
const processMib = 80
/** A stack and caches of a thread that runs the guest's code under KVM, as others reckon it too. */
const vcpuMib = 8
/** The cache of where a qcow2 file has what is at most this, by QEMU's default. */
const diskMib = 32
/** 8 bytes for each page of 4 KiB. */
const mibPerTableMib = 512

/**
 * What a guest takes of its host beside its own memory. Page tables of QEMU, of the guest's memory as KVM sees it, and, where
 * devices are passed through, of the same as the IOMMU sees it: each 1/512 where nothing is joined to larger pages, which is
 * the most. Nothing for the memory of devices: huge mappings and no pages behind them.
 */
export function planOverheadMib(
  spec: Pick<InstanceSpec, 'gpus' | 'memoryMib' | 'vcpus' | 'disks'>,
  options: { readonly hasHugepages?: boolean } = {},
): number {
  const tables = options.hasHugepages ? 0 : spec.gpus.length > 0 ? 3 : 2
  return Math.ceil(
    processMib +
      vcpuMib * spec.vcpus +
      diskMib * spec.disks.length +
      (tables * spec.memoryMib) / mibPerTableMib,
  )
}

import type { PciAddress } from '../../proto/ids.ts'
import type { GpuWish, HostDevice, HostSnapshot } from '../model/placement.ts'
import { areTogether, placeOf } from './topology.ts'

type Partition = readonly PciAddress[]

/** Those that are made of such devices alone; undefined where nothing joins the host's GPUs. */
export function partitionsWithin(
  { partitions }: Pick<HostSnapshot, 'partitions'>,
  devices: readonly HostDevice[],
): readonly Partition[] | undefined {
  if (partitions === undefined) return undefined
  const addresses = new Set(devices.map(({ address }) => address))
  return partitions.filter((one) => one.every((address) => addresses.has(address)))
}

/** Those of free GPUs alone, as near to one another as asked. */
export function servingPartitions(
  host: Pick<HostSnapshot, 'partitions'>,
  free: readonly HostDevice[],
  { topology = 'any' }: GpuWish,
): readonly Partition[] {
  const partitions = partitionsWithin(host, free) ?? []
  if (placeOf[topology] === undefined) return partitions
  return partitions.filter((one) =>
    areTogether(
      free.filter(({ address }) => one.includes(address)),
      topology,
    ),
  )
}

/**
 * Of free partitions with as many GPUs the one that takes the fewest others with it, so that larger requests keep theirs; one
 * of those that are preferred, if any is.
 */
export function choosePartition(
  free: readonly Partition[],
  count: number,
  isPreferred: (partition: Partition) => boolean = () => true,
): Partition | undefined {
  const spoiltBy = (partition: Partition) =>
    free.filter((other) => other.some((address) => partition.includes(address))).length
  const able = free.filter((one) => one.length === count)
  const preferred = able.filter(isPreferred)
  return (preferred.length > 0 ? preferred : able)
    .map((partition) => ({ partition, spoilt: spoiltBy(partition), first: partition.toSorted()[0] ?? '' }))
    .toSorted((a, b) => a.spoilt - b.spoilt || (a.first < b.first ? -1 : 1))[0]?.partition
}

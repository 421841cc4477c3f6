import type { PciAddress } from '../../proto/ids.ts'
import type { HostDevice, HostSnapshot } from '../model/placement.ts'

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

/** Of free partitions with as many GPUs the one that takes the fewest others with it, so that larger requests keep theirs. */
export function choosePartition(free: readonly Partition[], count: number): Partition | undefined {
  const spoiltBy = (partition: Partition) =>
    free.filter((other) => other.some((address) => partition.includes(address))).length
  return free
    .filter((one) => one.length === count)
    .map((partition) => ({ partition, spoilt: spoiltBy(partition), first: partition.toSorted()[0] ?? '' }))
    .toSorted((a, b) => a.spoilt - b.spoilt || (a.first < b.first ? -1 : 1))[0]?.partition
}

// Which partition of its host's NVSwitches a guest has. Pure: what Fabric Manager lists and which GPU is which in, the one
// partition with exactly the guest's GPUs out, or a sentence.
import type { FabricActivation } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { FabricPartition as ListedPartition } from '../drivers/fabric/port.ts'

export interface LocatedPartition {
  readonly id: number
  readonly isActive: boolean
  /** Of its GPUs, sorted. */
  readonly addresses: readonly string[]
}

export interface LocatedPartitions {
  readonly partitions: readonly LocatedPartition[]
  /** Of GPUs whose address nobody has said: partitions with one of them are left out. */
  readonly unknownModuleIds: readonly number[]
}

export function locatePartitions(
  listed: readonly ListedPartition[],
  moduleIds: ReadonlyMap<number, string>,
): LocatedPartitions {
  const unknown = new Set<number>()
  const partitions = listed.flatMap(({ id, isActive, gpus }) => {
    const addresses = gpus.flatMap(({ moduleId, address }) => {
      const found = moduleIds.get(moduleId) ?? address
      if (found === undefined) unknown.add(moduleId)
      return found === undefined ? [] : [found]
    })
    return addresses.length < gpus.length ? [] : [{ id, isActive, addresses: addresses.toSorted() }]
  })
  return { partitions, unknownModuleIds: [...unknown].toSorted((a, b) => a - b) }
}

export type PartitionChoice =
  | { readonly kind: 'found'; readonly partition: LocatedPartition }
  /** Its GPUs are no partition. */
  | { readonly kind: 'none'; readonly message: string }
  /** Somebody else has one that shares GPUs with it. */
  | { readonly kind: 'taken'; readonly message: string }

export function choosePartition(wish: {
  readonly instanceUid: string
  readonly addresses: readonly string[]
  readonly partitions: readonly LocatedPartition[]
  readonly activations: readonly FabricActivation[]
}): PartitionChoice {
  const { instanceUid, partitions, activations } = wish
  const addresses = wish.addresses.toSorted()
  const partition = partitions.find((one) => one.addresses.join() === addresses.join())
  if (partition === undefined) return { kind: 'none', message: noPartition(addresses, partitions) }
  const others = activations.filter((one) => one.instanceUid !== instanceUid)
  const rival = others.find((one) => sharesGpus(one, partition))
  if (rival !== undefined) {
    const message = `Partition ${partition.id} shares GPUs with partition ${rival.partitionId}, which instance ${rival.instanceUid} has.`
    return { kind: 'taken', message }
  }
  const isOwn = activations.some((one) => one.instanceUid === instanceUid)
  const stranger = partitions.find(
    (one) => one.isActive && sharesGpus(one, partition) && !(isOwn && one.id === partition.id),
  )
  return stranger === undefined
    ? { kind: 'found', partition }
    : { kind: 'taken', message: foreignPartition(stranger) }
}

/** Active, and no guest of this host's. */
export const foreignPartition = ({ id }: Pick<LocatedPartition, 'id'>): string =>
  `Partition ${id} of the NVSwitches is active and no guest of this host has it: where nothing uses its GPUs, deactivate it (fmpm -d ${id}).`

function noPartition(addresses: readonly string[], partitions: readonly LocatedPartition[]): string {
  const count = addresses.length
  const gpus = `${count === 1 ? 'GPU' : 'GPUs'} ${addresses.join(', ')}`
  const sized = partitions.filter((one) => one.addresses.length === count)
  const others = sized.map((one) => `${one.id} (${one.addresses.join(', ')})`).join('; ')
  const sizes = [...new Set(partitions.map((one) => one.addresses.length))].toSorted((a, b) => a - b)
  const wouldDo =
    sized.length > 0
      ? `Of ${count} there ${sized.length === 1 ? 'is' : 'are'} ${others}`
      : `There are partitions of ${sizes.join(', ') || 'none'}`
  return `${gpus} ${count === 1 ? 'is' : 'are'} no partition of this host's NVSwitches, and CUDA would not start on them. ${wouldDo}.`
}

const sharesGpus = (
  a: { readonly addresses: readonly string[] },
  b: { readonly addresses: readonly string[] },
): boolean => a.addresses.some((address) => b.addresses.includes(address))

export const unknownModules = (moduleIds: readonly number[]): string =>
  `Which GPUs are modules ${moduleIds.join(', ')} of the NVSwitches' board is not known, for the host's own driver has none of them: name them in fabricManager.moduleIds.`

/** While Fabric Manager can't be asked, or is not as it should be. */
export const noGuests = ({ message }: { readonly message: string }): string =>
  `${message} No guest gets GPUs of this host.`

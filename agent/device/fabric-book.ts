import { create } from '@bufbuild/protobuf'
import {
  FabricModuleSchema,
  type FabricPartition,
  FabricPartitionSchema,
} from '../../proto/gen/berth/agent/v1/host_pb.ts'
import {
  type FabricActivation,
  FabricActivationSchema,
  type FabricRecord,
  FabricRecordSchema,
} from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { type Journal, recordVersion } from '../journal/journal.ts'
import type { LocatedPartition } from '../plan/fabric-partitions.ts'

/** What is noted of a host's NVSwitches: who has which partition, and which GPU is which. Journalled before it counts. */
export class FabricBook {
  readonly #journal: Pick<Journal, 'readFabric' | 'writeFabric'>
  #record: FabricRecord = create(FabricRecordSchema)

  constructor(journal: Pick<Journal, 'readFabric' | 'writeFabric'>) {
    this.#journal = journal
  }

  /** false where it was written under another kernel: the switches began anew with this one, and nobody has any of them. */
  async load(bootId: string): Promise<boolean> {
    const known = await this.#journal.readFabric()
    const isOfThisBoot = known?.bootId === bootId
    const { modules = [], partitions = [], activations = [] } = known ?? {}
    this.#record = create(FabricRecordSchema, {
      ...{ recordVersion, bootId, modules, partitions },
      activations: isOfThisBoot ? activations : [],
    })
    return isOfThisBoot
  }

  activations(): readonly FabricActivation[] {
    return this.#record.activations
  }

  partitions(): readonly FabricPartition[] {
    return this.#record.partitions
  }

  moduleIds(): ReadonlyMap<number, string> {
    return new Map(this.#record.modules.map(({ moduleId, address }) => [moduleId, address]))
  }

  activationOf(instanceUid: string): FabricActivation | undefined {
    return this.#record.activations.find((one) => one.instanceUid === instanceUid)
  }

  note(activation: Omit<FabricActivation, '$typeName' | '$unknown'>): Promise<void> {
    const others = this.#othersThan(activation.instanceUid)
    return this.#write({ activations: [...others, create(FabricActivationSchema, activation)] })
  }

  forget(instanceUid: string): Promise<void> {
    return this.#write({ activations: this.#othersThan(instanceUid) })
  }

  /** What is learnt now is right where it differs from what was known. */
  async learn(learnt: ReadonlyMap<number, string>): Promise<void> {
    const seen = new Set(learnt.values())
    const kept = [...this.moduleIds()].filter(([, address]) => !seen.has(address))
    const modules = [...new Map([...kept, ...learnt])].map(([moduleId, address]) =>
      create(FabricModuleSchema, { moduleId, address }),
    )
    await this.#write({ modules })
  }

  async keepPartitions(partitions: readonly LocatedPartition[]): Promise<void> {
    const isSame = (a: FabricPartition, b: LocatedPartition | undefined) =>
      a.id === b?.id && a.addresses.join() === b.addresses.join()
    const known = this.#record.partitions
    if (known.length === partitions.length && known.every((one, at) => isSame(one, partitions[at]))) return
    const kept = partitions.map(({ id, addresses }) =>
      create(FabricPartitionSchema, { id, addresses: [...addresses] }),
    )
    await this.#write({ partitions: kept })
  }

  #othersThan(instanceUid: string): FabricActivation[] {
    return this.#record.activations.filter((one) => one.instanceUid !== instanceUid)
  }

  async #write(change: Partial<FabricRecord>): Promise<void> {
    const next = create(FabricRecordSchema, { ...this.#record, ...change })
    await this.#journal.writeFabric(next)
    this.#record = next
  }
}

// Owns which guest has which partition of the host's NVSwitches. In: guests that come and go, looks at Fabric Manager. Out:
// partitions that are active for exactly the guests that have them, each journalled first; what there is to choose from; and
// what keeps free GPUs from guests for now. A partition that no guest of this host has is reported, never touched.
import { create } from '@bufbuild/protobuf'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import { createTurns } from '../../lib/turns.ts'
import {
  type Fabric as FabricFacts,
  FabricSchema,
  type HostWarning,
  HostWarningSchema,
} from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { FabricActivation } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { FabricError, type FabricManager } from '../drivers/fabric/port.ts'
import type { Processes } from '../host/ports.ts'
import type { Journal } from '../journal/journal.ts'
import {
  choosePartition,
  foreignPartition,
  type LocatedPartition,
  type LocatedPartitions,
  locatePartitions,
  noGuests,
  unknownModules,
} from '../plan/fabric-partitions.ts'
import type { DeviceTrouble } from './device-book.ts'
import { FabricBook } from './fabric-book.ts'

export interface FabricOptions {
  readonly manager: FabricManager
  /** As the operator names them; otherwise the host's own driver is asked. */
  readonly moduleIds?: ReadonlyMap<number, string> | undefined
  readonly journal: Pick<Journal, 'readFabric' | 'writeFabric'>
  readonly processes: Pick<Processes, 'bootId'>
  readonly clock: Clock
  readonly log: Logger
}

/** One short program; a guest whose partition was forgotten computes on meanwhile. */
const lookIntervalMs = 10_000

const isReason = (thrown: unknown, reason: FabricError['reason']) =>
  thrown instanceof FabricError && thrown.reason === reason

export class Fabric {
  readonly #options: FabricOptions
  readonly #book: FabricBook
  readonly #turns = createTurns()
  #troubles: ReadonlyMap<string, DeviceTrouble> = new Map()
  #warnings: readonly HostWarning[] = []
  #lastLookMs = Number.NEGATIVE_INFINITY
  #lastTold = ''

  constructor(options: FabricOptions) {
    this.#options = options
    this.#book = new FabricBook(options.journal)
  }

  /** What an earlier agent has activated is so again, whatever has been restarted since. */
  async recover(): Promise<void> {
    const isOfThisBoot = await this.#book.load(await this.#options.processes.bootId())
    await this.#turn(async () => {
      if (!isOfThisBoot) await this.#learnModuleIds()
      const seen = await this.#lookNow()
      if (!isOfThisBoot || !seen || seen.unknownModuleIds.length === 0) return
      await this.#learnModuleIds()
      await this.#lookNow()
    })
  }

  /** As often as that is worth a program. */
  async look(): Promise<void> {
    if (this.#options.clock.monotonicMs() - this.#lastLookMs < lookIntervalMs) return
    await this.#turn(() => this.#lookNow())
  }

  /** Before anything is done for a guest: there is a partition for it, and nobody else has any of it. @throws FabricError */
  async requirePartition(instanceUid: string, addresses: readonly string[]): Promise<void> {
    await this.#turn(() => this.#choose(instanceUid, addresses))
  }

  /** Active when it resolves. May be repeated. @throws FabricError */
  async activate(instanceUid: string, addresses: readonly string[]): Promise<void> {
    await this.#turn(async () => {
      const partition = await this.#choose(instanceUid, addresses)
      if (partition.isActive && this.#book.activationOf(instanceUid)?.active) return
      const partitionId = partition.id
      const own = { partitionId, instanceUid, addresses: [...partition.addresses] }
      await this.#book.note({ ...own, active: false })
      if (!partition.isActive) await this.#activateNoted(partitionId)
      await this.#book.note({ ...own, active: true })
      this.#options.log.info({ partitionId, instanceUid }, 'A partition of the NVSwitches is active.')
    })
  }

  /** Inactive when it resolves; nothing where the instance has none. Its guest has ended. @throws FabricError */
  async release(instanceUid: string): Promise<void> {
    await this.#turn(async () => {
      const own = this.#book.activationOf(instanceUid)
      if (own === undefined) return
      const isActive = await this.#isStillActive(own)
      await this.#book.note({ ...own, active: false })
      if (isActive) await this.#deactivate(own.partitionId)
      await this.#book.forget(instanceUid)
      this.#options.log.info(
        { partitionId: own.partitionId, instanceUid },
        'A partition of the NVSwitches is given up.',
      )
    })
  }

  /** As the scheduler is told, who gives a guest the GPUs of one of them. */
  facts(): FabricFacts {
    const modules = [...this.#moduleIds()].map(([moduleId, address]) => ({ moduleId, address }))
    return create(FabricSchema, { partitions: [...this.#book.partitions()], modules })
  }

  /** Of all GPUs that are known to be joined. */
  addresses(): readonly string[] {
    const ofPartitions = this.#book.partitions().flatMap(({ addresses }) => addresses)
    return [...new Set([...this.#moduleIds().values(), ...ofPartitions])]
  }

  /** Of the host, as of the last look. */
  warnings(): readonly HostWarning[] {
    return this.#warnings
  }

  /** By address. */
  troubles(): ReadonlyMap<string, DeviceTrouble> {
    return this.#troubles
  }

  async #lookNow(): Promise<LocatedPartitions | undefined> {
    this.#lastLookMs = this.#options.clock.monotonicMs()
    try {
      const located = await this.#list()
      this.#judge(located)
      return located
    } catch (thrown) {
      if (!(thrown instanceof FabricError)) throw thrown
      const message = `${thrown.message} No guest gets the GPU until that is right again; those that run go on.`
      const trouble = { reason: 'FABRIC_UNHEALTHY', message }
      this.#warnings = [create(HostWarningSchema, { code: thrown.reason, message: noGuests(thrown) })]
      this.#troubles = new Map(this.addresses().map((address) => [address, trouble]))
      this.#tellOnce(message)
      return undefined
    }
  }

  /** @throws FabricError where it is not as it should be, and can't be made so */
  async #list(): Promise<LocatedPartitions> {
    const listed = await this.#locate()
    const located = this.#forgottenOf(listed).length > 0 ? await this.#remind(listed) : listed
    await this.#book.keepPartitions(located.partitions)
    return located
  }

  async #locate(): Promise<LocatedPartitions> {
    return locatePartitions(await this.#options.manager.listPartitions(), this.#moduleIds())
  }

  /** What guests have and Fabric Manager doesn't know of: it was restarted. */
  #forgottenOf({ partitions }: LocatedPartitions): readonly number[] {
    const inactive = new Set(partitions.flatMap(({ id, isActive }) => (isActive ? [] : [id])))
    return this.#activeIds().filter((id) => inactive.has(id))
  }

  async #remind(listed: LocatedPartitions): Promise<LocatedPartitions> {
    const forgotten = this.#forgottenOf(listed)
    this.#options.log.warn(
      { partitions: forgotten },
      'Fabric Manager has forgotten partitions of guests: it is told again.',
    )
    // Started without resilience it has cut everybody off, and takes no list.
    if (!(await this.#tellActive())) for (const id of forgotten) await this.#options.manager.activate(id)
    const located = await this.#locate()
    const missing = this.#forgottenOf(located)
    if (missing.length === 0) return located
    throw new FabricError(
      'FABRIC_UNHEALTHY',
      `Fabric Manager was told again that guests have its partitions ${missing.join(', ')}, and does not list them as active: see that fmpm passes on what --set-activated-list names.`,
    )
  }

  /** false where it has begun anew and takes no list. */
  async #tellActive(): Promise<boolean> {
    try {
      await this.#options.manager.setActive(this.#activeIds())
      return true
    } catch (thrown) {
      if (isReason(thrown, 'FABRIC_NOT_SUPPORTED')) return false
      throw thrown
    }
  }

  async #choose(instanceUid: string, addresses: readonly string[]): Promise<LocatedPartition> {
    const { partitions, unknownModuleIds } = await this.#list()
    if (partitions.length === 0 && unknownModuleIds.length > 0) {
      throw new FabricError('FABRIC_UNHEALTHY', unknownModules(unknownModuleIds))
    }
    const activations = this.#book.activations()
    const choice = choosePartition({ instanceUid, addresses, partitions, activations })
    if (choice.kind === 'found') return choice.partition
    throw new FabricError(choice.kind === 'none' ? 'NO_PARTITION' : 'PARTITION_IN_USE', choice.message)
  }

  async #activateNoted(id: number): Promise<void> {
    const { manager } = this.#options
    try {
      await manager.activate(id)
    } catch (thrown) {
      if (!isReason(thrown, 'FABRIC_NOT_READY')) throw thrown
      // Restarted while nobody had a partition: it waits to be told so.
      await this.#tellActive()
      await manager.activate(id)
    }
  }

  /**
   * Of a guest that has ended. What Fabric Manager has forgotten and can't be reminded of the switches may still let
   * through: it is activated once more, so that there is something to deactivate.
   */
  async #isStillActive({ partitionId, active }: FabricActivation): Promise<boolean> {
    const isListed = ({ partitions }: LocatedPartitions) =>
      partitions.find(({ id }) => id === partitionId)?.isActive
    const listed = await this.#locate()
    if (!active || isListed(listed) !== false) return isListed(listed) ?? false
    const reminded = await this.#remind(listed).catch((thrown: unknown) => {
      if (!(thrown instanceof FabricError) || thrown.reason === 'FABRIC_UNREACHABLE') throw thrown
      return undefined
    })
    if (reminded === undefined) await this.#options.manager.activate(partitionId)
    return true
  }

  async #deactivate(id: number): Promise<void> {
    try {
      await this.#options.manager.deactivate(id)
    } catch (thrown) {
      if (!isReason(thrown, 'PARTITION_NOT_ACTIVE')) throw thrown
    }
  }

  #judge({ partitions, unknownModuleIds }: LocatedPartitions): void {
    const owned = new Set(this.#book.activations().map(({ partitionId }) => partitionId))
    const foreign = partitions.filter(({ id, isActive }) => isActive && !owned.has(id))
    this.#troubles = new Map(
      foreign.flatMap((one) => {
        const trouble = { reason: 'PARTITION_FOREIGN', message: foreignPartition(one) }
        return one.addresses.map((address) => [address, trouble] as const)
      }),
    )
    const unknown = unknownModuleIds.length === 0 ? [] : [unknownModules(unknownModuleIds)]
    this.#warnings = unknown.map((message) =>
      create(HostWarningSchema, { code: 'MODULE_IDS_UNKNOWN', message }),
    )
    this.#tellOnce([...foreign.map(foreignPartition), ...unknown].join(' '))
  }

  /** It is looked at again and again. */
  #tellOnce(message: string): void {
    if (message !== '' && message !== this.#lastTold) {
      this.#options.log.error({ message }, 'The NVSwitches are not as they should be.')
    }
    this.#lastTold = message
  }

  #activeIds(): readonly number[] {
    return this.#book.activations().flatMap(({ partitionId, active }) => (active ? [partitionId] : []))
  }

  #moduleIds(): ReadonlyMap<number, string> {
    return this.#options.moduleIds ?? this.#book.moduleIds()
  }

  /** While the host's own driver has GPUs, and for good: once vfio-pci has one nobody can tell. */
  async #learnModuleIds(): Promise<void> {
    const { manager, moduleIds } = this.#options
    if (moduleIds === undefined) await this.#book.learn(await manager.readModuleIds())
  }

  #turn<Value>(work: () => Promise<Value>): Promise<Value> {
    return this.#turns.alone('fabric', work)
  }
}

// NVIDIA Fabric Manager in shared NVSwitch mode, by what its guide says of it: it keeps what is active in memory, and the
// switches keep what they were told last. Where they differ, guests are cut off or not cut off.

/** As its library calls them. */
export const fabricResults = {
  success: 0,
  badParameter: -1,
  notSupported: -3,
  uninitialized: -4,
  inUse: -7,
  notConfigured: -8,
  connectionNotValid: -9,
} as const

export type FabricResult = (typeof fabricResults)[keyof typeof fabricResults]

export interface FakePartition {
  readonly id: number
  /** Of its GPUs, from 1. */
  readonly moduleIds: readonly number[]
}

/** As a board with eight H100 is cut. */
export const boardPartitions: readonly FakePartition[] = [
  [1, 2, 3, 4, 5, 6, 7, 8],
  ...[
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ],
  ...[
    [1, 3],
    [2, 4],
    [5, 7],
    [6, 8],
  ],
  ...[[1], [2], [3], [4], [5], [6], [7], [8]],
].map((moduleIds, id) => ({ id, moduleIds }))

export interface FakeFabricOptions {
  readonly partitions: readonly FakePartition[]
  /** Addresses by module id, which the host's own driver tells of the GPUs that it has. */
  readonly addresses: ReadonlyMap<number, string>
  /** FABRIC_MODE_RESTART: started anew, it leaves the switches as they are and waits to be told what is active. */
  readonly isResilient?: boolean
  /** Of boards before H100 it tells addresses itself. */
  readonly tellsAddresses?: boolean
}

/** Modules of a real board, by the order of PCI addresses. */
const moduleOrder = [5, 7, 6, 8, 1, 3, 2, 4]

/** A board with eight GPUs, by their addresses. */
export function boardOf(addresses: readonly string[]): FakeFabricOptions {
  if (addresses.length !== moduleOrder.length) throw new Error('A board joins eight GPUs.')
  const pairs = moduleOrder.map((moduleId, index) => [moduleId, addresses[index] ?? ''] as const)
  return { partitions: boardPartitions, addresses: new Map(pairs), isResilient: true }
}

export class FakeFabric {
  readonly options: FakeFabricOptions
  readonly #active = new Set<number>()
  /** What the switches let through: a guest computes where its partition is among them. */
  readonly #routed = new Set<number>()
  #state: 'running' | 'initializing' | 'waiting' | 'stopped' = 'running'

  constructor(options: FakeFabricOptions) {
    this.options = options
  }

  active(): readonly number[] {
    return [...this.#active].toSorted((a, b) => a - b)
  }

  routed(): readonly number[] {
    return [...this.#routed].toSorted((a, b) => a - b)
  }

  /** Whether CUDA starts on exactly these GPUs; error 802 otherwise. */
  isInitialized(addresses: readonly string[]): boolean {
    const wanted = addresses.toSorted().join()
    return [...this.#routed].some((id) => {
      const moduleIds = this.#moduleIdsOf(id) ?? []
      const members = moduleIds.map((moduleId) => this.options.addresses.get(moduleId) ?? '')
      return members.toSorted().join() === wanted
    })
  }

  stop(): void {
    this.#state = 'stopped'
  }

  start(): void {
    this.#active.clear()
    this.#state = this.options.isResilient ? 'waiting' : 'initializing'
    if (!this.options.isResilient) this.#routed.clear()
  }

  /** Started without resilience it takes a while. */
  finishInitializing(): void {
    if (this.#state === 'initializing') this.#state = 'running'
  }

  connect(): FabricResult {
    return this.#state === 'stopped' ? fabricResults.connectionNotValid : fabricResults.success
  }

  list(): FabricResult | readonly (FakePartition & { readonly isActive: boolean })[] {
    if (this.#state === 'initializing') return fabricResults.notConfigured
    return this.options.partitions.map((one) => ({ ...one, isActive: this.#active.has(one.id) }))
  }

  activate(id: number): FabricResult {
    const wanted = this.#moduleIdsOf(id)
    if (wanted === undefined) return fabricResults.badParameter
    if (this.#state !== 'running') return fabricResults.notConfigured
    if (this.#overlaps(wanted, this.#active)) return fabricResults.inUse
    this.#active.add(id)
    // The routes of its GPUs are written anew.
    for (const other of this.#routed) {
      if (this.#overlaps(wanted, [other])) this.#routed.delete(other)
    }
    this.#routed.add(id)
    return fabricResults.success
  }

  deactivate(id: number): FabricResult {
    if (this.#moduleIdsOf(id) === undefined) return fabricResults.badParameter
    if (this.#state !== 'running') return fabricResults.notConfigured
    if (!this.#active.delete(id)) return fabricResults.uninitialized
    this.#routed.delete(id)
    return fabricResults.success
  }

  /** The switches are not touched: it believes what it is told. */
  setActivated(ids: readonly number[]): FabricResult {
    if (!this.options.isResilient) return fabricResults.notSupported
    if (this.#state !== 'waiting') return fabricResults.badParameter
    for (const [index, id] of ids.entries()) {
      const moduleIds = this.#moduleIdsOf(id)
      if (moduleIds === undefined || this.#overlaps(moduleIds, ids.slice(0, index))) {
        return fabricResults.badParameter
      }
    }
    for (const id of ids) this.#active.add(id)
    this.#state = 'running'
    return fabricResults.success
  }

  #moduleIdsOf(id: number): readonly number[] | undefined {
    return this.options.partitions.find((one) => one.id === id)?.moduleIds
  }

  #overlaps(moduleIds: readonly number[], ids: Iterable<number>): boolean {
    return [...ids].some((id) => this.#moduleIdsOf(id)?.some((one) => moduleIds.includes(one)))
  }
}

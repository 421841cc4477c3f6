import type { PciAddress } from '../../../proto/ids.ts'

/** What NVSwitches were asked for and did not do: which, and why. */
export class FabricError extends Error {
  override readonly name = 'FabricError'
  readonly reason:
    | 'FABRIC_UNREACHABLE'
    /** It initializes, or waits to be told which partitions are active. */
    | 'FABRIC_NOT_READY'
    | 'FABRIC_NOT_SUPPORTED'
    | 'FABRIC_FAILED'
    | 'FABRIC_UNHEALTHY'
    | 'NO_PARTITION'
    /** Active, or one that shares GPUs with it is. */
    | 'PARTITION_IN_USE'
    | 'PARTITION_NOT_ACTIVE'
    | 'PARTITION_UNKNOWN'

  constructor(reason: FabricError['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

export interface FabricGpu {
  /** Its place on the board: not the order of PCI addresses. */
  readonly moduleId: number
  /** Where Fabric Manager knows it: not of boards from H100 on, nor of what vfio-pci has. */
  readonly address?: PciAddress
}

export interface FabricPartition {
  readonly id: number
  readonly isActive: boolean
  readonly gpus: readonly FabricGpu[]
}

/** NVSwitches, cut into partitions whose GPUs reach one another and nobody else. Each ends within a minute. */
export interface FabricManager {
  /** All that there can be; they overlap. @throws FabricError */
  listPartitions(): Promise<readonly FabricPartition[]>
  /** @throws FabricError: PARTITION_IN_USE where it is active already */
  activate(id: number): Promise<void>
  /** Of no guest that runs. @throws FabricError: PARTITION_NOT_ACTIVE where it was not */
  deactivate(id: number): Promise<void>
  /** Tells a Fabric Manager that was restarted what is active: all of them, or none. @throws FabricError */
  setActive(ids: readonly number[]): Promise<void>
  /** Addresses by module id, of GPUs that the host's own driver has; empty where it has none. */
  readModuleIds(): Promise<ReadonlyMap<number, PciAddress>>
}

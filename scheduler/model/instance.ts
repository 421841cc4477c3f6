// An instance as the scheduler remembers it. `InstanceDetails` is the request with every default filled in, in the
// API's words; `InstanceSpec` (proto) is the same in the host's words. Both are fixed at commit.
import type { DesiredState, InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type HostId, hostId, type InstanceUid, type OperationId, type ProjectId } from '../../proto/ids.ts'
import type { InstanceStatus } from '../../proto/instance-state.ts'
import type { Demand, GpuTopology, PlacementExplanation } from './placement.ts'

export interface InstanceDetails {
  readonly displayName?: string
  readonly description?: string
  readonly labels: Readonly<Record<string, string>>
  /** Path of the instance type. */
  readonly type: string
  readonly instanceMetadata: readonly { readonly key: string; readonly value: string }[]
  readonly hostname: string
  readonly disks: readonly InstanceDisk[]
  readonly nics: readonly InstanceNic[]
  readonly gpus: readonly InstanceGpu[]
  /** Path of the reservation that its capacity is from. */
  readonly reservation?: string
  readonly scheduling?: InstanceScheduling
  /** What its owner should know of what was made as asked: sentences. */
  readonly warnings?: readonly string[]
}

/** As it was asked for. */
export interface InstanceScheduling {
  readonly isolation?: 'shared' | 'host'
  readonly hostLabels?: Readonly<Record<string, string>>
  readonly affinity?: readonly string[]
  readonly antiAffinity?: readonly string[]
  readonly packing?: 'pack' | 'spread'
  readonly expectedLifetimeSeconds?: number
  readonly automaticRestart?: boolean
  readonly waitForCapacity?: boolean
  readonly waitTimeoutSeconds?: number
}

export interface InstanceDisk {
  readonly deviceName: string
  readonly sizeGb: number
  readonly interface: 'SCSI' | 'VIRTIO' | 'NVME'
  /** Path of the image; absent for a blank disk. */
  readonly source?: string
  readonly boot: boolean
  readonly type: 'PERSISTENT' | 'SCRATCH'
  readonly mode: 'READ_WRITE' | 'READ_ONLY'
  readonly autoDelete: boolean
}

export interface InstanceNic {
  readonly name: string
  /** Path of the network. */
  readonly network: string
  /** Path of the subnet. */
  readonly subnet: string
  /** Filled in by the store where the request left it open. */
  readonly ipv4Address?: string
  /** Follows from ipv4Address where the subnet has IPv6. */
  readonly ipv6Address?: string
  readonly vlan?: number
  readonly macAddress: string
  /** What passes in each direction; no limit where absent. */
  readonly networkMbps?: number
}

export interface InstanceGpu {
  /** Path of the accelerator type. */
  readonly type: string
  readonly count: number
  /** As it was asked for. */
  readonly topology?: GpuTopology
}

/**
 * What is claimed for it. A stopped instance whose host has proved that its guest is gone keeps disks and addresses, and
 * with them its host; one that holds nothing has only a name.
 */
export type Holding = 'everything' | 'storage' | 'nothing'

/** What of its host a guest is on, as its agent has chosen at its start. */
export interface HostPart {
  /** In even parts; none where it may be anywhere. */
  readonly numaNodes: readonly number[]
  /** That are its own; none where it shares. */
  readonly cpus: readonly number[]
  /** A sentence: why it is not in the cells that were chosen here. */
  readonly drift?: string
}

/** Where one is that waits for capacity, or has done so in vain. */
export const nowhere = hostId('')

export interface InstanceRecord {
  readonly uid: InstanceUid
  readonly project: ProjectId
  readonly id: string
  readonly details: InstanceDetails
  readonly spec: InstanceSpec
  readonly status: InstanceStatus
  /** A sentence for a person. */
  readonly statusMessage: string
  /** Machine-readable: why this status. */
  readonly reason: string
  readonly statusSinceMs: number
  readonly desiredState: DesiredState
  readonly generation: number
  readonly hostId: HostId
  /** The last generations that asked for a start and for a reset; 0 for never. */
  readonly startGeneration: number
  readonly resetGeneration: number
  /** What it takes of its host while it holds everything. */
  readonly demand: Demand
  readonly holds: Holding
  /** The newest operation on it. */
  readonly operationId: OperationId
  /** Where it was placed and why each refused host was refused. */
  readonly explanation: PlacementExplanation
  /** Absent of one that has none of its own, or of which its host has not told any. */
  readonly hostPart?: HostPart
  readonly createdAtMs: number
  readonly updatedAtMs: number
  /** Rises with every change; the ETag. */
  readonly revision: number
}

/** One transition of one instance. */
export interface InstanceEvent {
  readonly sequence: number
  readonly instanceUid: InstanceUid
  readonly from: InstanceStatus | null
  /** null: the instance is gone. */
  readonly to: InstanceStatus | null
  readonly reason: string
  readonly message: string
  readonly atMs: number
  readonly requestId: string
}

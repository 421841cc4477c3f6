// A disk that outlives its instances. Before its first use it is only a row; from then on it lives in one host's pool.
import type { Image } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { DiskUid, HostId, InstanceUid, OperationId, ProjectId, ZoneId } from '../../proto/ids.ts'

export const diskStatuses = ['CREATING', 'READY', 'FAILED', 'DELETING'] as const
export type DiskStatus = (typeof diskStatuses)[number]

export interface DiskRecord {
  readonly uid: DiskUid
  readonly project: ProjectId
  readonly id: string
  readonly zone: ZoneId
  readonly sizeGb: number
  /** Path of the image that it is made from; absent for a blank one. */
  readonly source?: string
  /** The same in the host's words, as it was when the disk was created. */
  readonly image?: Image
  readonly description?: string
  readonly labels: Readonly<Record<string, string>>
  /** Fixed at first use. */
  readonly hostId?: HostId
  /** The instance that has it, until its host has proved that it has let go. */
  readonly user?: { readonly uid: InstanceUid; readonly id: string }
  /** A guest has had it: where its data is missing, it is lost. */
  readonly isMade: boolean
  readonly status: DiskStatus
  /** A sentence for a person. */
  readonly statusMessage: string
  /** The newest operation on it; empty where there was none. */
  readonly operationId: OperationId
  readonly createdAtMs: number
  readonly updatedAtMs: number
  /** Rises with every change; the ETag. */
  readonly revision: number
}

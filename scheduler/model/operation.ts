// What a user asked for and how it ended: kept when the instance is long gone.
import type { OperationId, ProjectId } from '../../proto/ids.ts'

export const instanceVerbs = [
  'create',
  'delete',
  'start',
  'stop',
  'suspend',
  'resume',
  'restart',
  'reset',
  'update',
  'attachDisk',
  'detachDisk',
  'resizeDisk',
] as const
export type InstanceVerb = (typeof instanceVerbs)[number]

export interface OperationRecord {
  readonly id: OperationId
  readonly project: ProjectId
  readonly collection: 'instances' | 'disks'
  readonly verb: InstanceVerb
  readonly targetUid: string
  /** The target's name. */
  readonly targetId: string
  /** It ends when the host has come to rest at this generation or a later one. */
  readonly generation: number
  readonly status: 'RUNNING' | 'DONE'
  /** Of one that ended badly. */
  readonly error?: { readonly reason: string; readonly message: string }
  readonly requestId: string
  readonly principal: string
  readonly createdAtMs: number
  readonly endedAtMs?: number
}

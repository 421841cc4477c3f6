// What a user asked for and how it ended: kept when the instance is long gone.
import type { InstanceUid, OperationId, ProjectId } from '../../proto/ids.ts'

export const instanceVerbs = ['create', 'delete', 'start', 'stop', 'restart', 'reset', 'update'] as const
export type InstanceVerb = (typeof instanceVerbs)[number]

export interface OperationRecord {
  readonly id: OperationId
  readonly project: ProjectId
  readonly verb: InstanceVerb
  readonly instanceUid: InstanceUid
  /** The instance's name. */
  readonly instanceId: string
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

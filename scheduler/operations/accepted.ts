import type { OperationId } from '../../proto/ids.ts'
import type { InstanceRecord } from '../model/instance.ts'

/** What a request that changes an instance is answered with: the instance as it is now, and where its end is told. */
export interface Accepted {
  readonly instance: InstanceRecord
  readonly operationId: OperationId
  /** Its entry in the audit is on disk with it. */
  readonly isAudited?: boolean
}

/** Of a first request; a repeated one has the operation of the first. */
export const acceptedNow = (instance: InstanceRecord): Accepted => ({
  instance,
  operationId: instance.operationId,
})

// An instance that is on no host yet: it was asked for with the word that it may wait, and there was no room.
import type { InstanceUid, ProjectId } from '../../proto/ids.ts'
import type { Demand } from './placement.ts'

/** What placement and the queue know of it; the rest is in its instance. */
export interface WaitingInstance {
  readonly uid: InstanceUid
  readonly project: ProjectId
  readonly demand: Demand
  readonly sinceMs: number
  /** When it gives up. */
  readonly untilMs: number
  readonly requestId: string
}

/** Of one project: more than anybody has a use for, and no more than the queue looks through in a moment. */
export const maximumWaiting = 1000
export const waitingReason = 'WAITING_FOR_CAPACITY'

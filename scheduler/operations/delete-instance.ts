import type { ProjectId } from '../../proto/ids.ts'
import { refuse } from '../errors.ts'
import type { InstanceRecord } from '../model/instance.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'
import { refuseInstance } from './read-instance.ts'

export interface DeleteInstance {
  readonly project: ProjectId
  readonly idOrUid: string
  readonly ifRevision?: number
  readonly requestId: string
}

// The disks go with the guest: it gets a moment to say goodbye, not time to save itself.
const stopDeadlineMs = 10_000

/** Durable once this resolves; the host tears down when it hears of it. Deleting twice is the same as once. */
export async function deleteInstance(
  request: DeleteInstance,
  { store, dispatch, clock, random }: OperationPorts,
): Promise<Outcome<InstanceRecord>> {
  const outcome = await store.requestDelete({
    ...request,
    commandId: random.uuid(),
    stopDeadlineMs,
    nowMs: clock.nowMs(),
  })
  switch (outcome.kind) {
    case 'accepted':
      dispatch.nudge(outcome.instance.hostId)
      return done(outcome.instance)
    case 'not-found':
      return refuseInstance(request.project, request.idOrUid)
    case 'revision-mismatch':
      return refuse('REVISION_MISMATCH', { revision: outcome.revision })
  }
}

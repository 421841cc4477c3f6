import { instanceUid, operationId, projectId } from '../../proto/ids.ts'
import type { AdmittedInstance } from '../admission/admit.ts'
import type { IdempotencyKey } from '../store/store.ts'
import type { CreateInstance } from './create-instance.ts'
import type { OperationPorts } from './ports.ts'

const stopDeadlineMs = 60_000

interface Admitted {
  readonly admission: AdmittedInstance
  readonly idempotency: IdempotencyKey | undefined
}

/** What has nothing to do with where it goes. */
export function askedOf(
  request: CreateInstance,
  { admission, idempotency }: Admitted,
  { random, clock }: Pick<OperationPorts, 'random' | 'clock'>,
) {
  const { details, addresses, uses, id, spec } = admission
  // What volumes need is theirs: it outlives the instance.
  const { volumes: _, ...demand } = admission.demand
  return {
    ...(idempotency === undefined ? {} : { idempotency }),
    uid: instanceUid(spec.uid),
    project: projectId(request.project.id),
    ...{ id, details, spec, addresses, uses, demand },
    operationId: operationId(random.uuid()),
    principal: request.principal,
    requestId: request.requestId,
    ...(request.audit === undefined ? {} : { audit: request.audit }),
    stopDeadlineMs,
    nowMs: clock.nowMs(),
  }
}

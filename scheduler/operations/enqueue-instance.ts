import type { AdmittedInstance } from '../admission/admit.ts'
import { defaultWaitSeconds } from '../admission/scheduling.ts'
import type { PlacementVerdict } from '../model/placement.ts'
import type { IdempotencyKey } from '../store/store.ts'
import type { EnqueueInstanceOutcome } from '../store/waiting-store.ts'
import { firstSentence } from '../waiting/sentences.ts'
import { askedOf } from './asked-instance.ts'
import type { CreateInstance } from './create-instance.ts'
import type { OperationPorts } from './ports.ts'

interface Refused {
  readonly admission: AdmittedInstance
  readonly verdict: Extract<PlacementVerdict, { kind: 'not-now' }>
  readonly idempotency: IdempotencyKey | undefined
}

/** Accepted without a place: it waits for one, as its request says that it may. */
export async function enqueue(
  request: CreateInstance,
  { admission, verdict, idempotency }: Refused,
  ports: OperationPorts,
): Promise<EnqueueInstanceOutcome> {
  const asked = askedOf(request, { admission, idempotency }, ports)
  const { waitTimeoutSeconds = defaultWaitSeconds } = request.body.scheduling ?? {}
  const { uid, project, requestId, nowMs: sinceMs } = asked
  const untilMs = sinceMs + waitTimeoutSeconds * 1000
  const outcome = await ports.store.enqueueInstance({
    ...asked,
    ...{ wish: admission.demand, untilMs, explanation: withoutHosts(verdict) },
    statusMessage: firstSentence(verdict.lack, untilMs),
  })
  if (outcome.kind === 'waiting') {
    ports.waiting.add({ uid, project, demand: admission.demand, sinceMs, untilMs, requestId })
  }
  return outcome
}

/** Why each host was refused at that moment is much, and soon old. */
const withoutHosts = ({ explanation }: Refused['verdict']) => ({ ...explanation, refusals: [] })

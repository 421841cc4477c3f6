// A verb on one instance: delete, start, stop, suspend, resume, restart, reset, update, and those about its disks. In: the
// request and who asks. Out: the instance as it is from now on and the operation that tells the end, or a refusal. Never:
// waits for a host.
import { operationId, type ProjectId } from '../../proto/ids.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import { type Refusal, refuse } from '../errors.ts'
import type { ChangeVerb } from '../lifecycle/verbs.ts'
import type { InstanceDetails } from '../model/instance.ts'
import type { ChangeInstance, ChangeInstanceOutcome, IdempotencyKey } from '../store/store.ts'
import { type Accepted, acceptedNow } from './accepted.ts'
import { answerRepeat, idempotencyKeyOf } from './idempotency.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'
import { refuseQuota } from './quotas.ts'
import { refuseInstance } from './read-instance.ts'
import { findStartClaims, type StartClaims } from './start-claims.ts'

export interface ChangeRequest {
  readonly verb: ChangeVerb
  readonly project: ProjectId
  readonly idOrUid: string
  readonly ifRevision?: number
  readonly idempotencyKey?: string
  readonly isForced?: boolean
  /** Of an update: all that can change, as it is to be. */
  readonly details?: InstanceDetails
  readonly attach?: NonNullable<ChangeInstance['attach']>
  readonly detach?: NonNullable<ChangeInstance['detach']>
  readonly resize?: NonNullable<ChangeInstance['resize']>
  /** What a repeat with the same key must have in common. */
  readonly body: unknown
  readonly principal: string
  readonly requestId: string
}

const maximumAttempts = 5
/** For a guest to power off. The disks of a deleted one go with it: it gets a moment to say goodbye, not time to save. */
const stopDeadlineMs = 60_000
const farewellMs = 10_000

/** Durable once this resolves. Asking for what is so already is fine. */
export async function changeInstance(
  request: ChangeRequest,
  ports: OperationPorts,
): Promise<Outcome<Accepted>> {
  const idempotency = keyOf(request, ports)
  if (idempotency !== undefined) {
    const repeated = answerRepeat(idempotency.key, await ports.store.findByIdempotencyKey(idempotency))
    if (repeated !== undefined) return answerAsVerb(request, repeated)
  }
  for (let attempt = 1; attempt <= maximumAttempts; attempt += 1) {
    const unsuited = request.verb === 'suspend' ? await refuseSuspend(request, ports) : undefined
    if (unsuited !== undefined) return unsuited
    const claims = await findStartClaims(request, ports)
    if (claims.kind === 'refused') return claims
    const change = changeOf(request, { claims: claims.value, idempotency }, ports)
    const outcome = await ports.store.changeInstance(change)
    const answer = answerTo(outcome, request)
    if (outcome.kind === 'accepted') {
      ports.dispatch.nudge(outcome.instance.hostId)
      if (request.verb === 'delete') ports.waiting.forget(outcome.instance.uid)
    }
    if (answer !== 'again') return answerAsVerb(request, answer)
  }
  const message = 'Many starts compete for the same capacity at this moment; repeat the request in a second.'
  return refuse('TRY_AGAIN', { message })
}

/** What a GPU has in its memory can't be written to disk. */
async function refuseSuspend(
  { project, idOrUid }: ChangeRequest,
  { store }: OperationPorts,
): Promise<Refusal | undefined> {
  const instance = await store.findInstance(project, idOrUid)
  if (instance === undefined || instance.demand.gpus.length === 0) return undefined
  const message = `${instance.id} has GPUs, whose memory can't be saved: stop it instead.`
  return refuse('SUSPEND_UNSUPPORTED', { message })
}

/** The repeat of a delete whose instance is gone finds what any other reader finds. */
function answerAsVerb(
  { verb, project, idOrUid }: ChangeRequest,
  answer: Outcome<Accepted>,
): Outcome<Accepted> {
  const isSpent = answer.kind === 'refused' && answer.problems[0].reason === 'IDEMPOTENCY_KEY_SPENT'
  return verb === 'delete' && isSpent ? refuseInstance(project, idOrUid) : answer
}

function keyOf(
  { idempotencyKey: key, project, principal, body, verb, idOrUid }: ChangeRequest,
  { catalogue }: OperationPorts,
): IdempotencyKey | undefined {
  if (key === undefined) return undefined
  const path = resourcePaths(catalogue.region).instance(project, idOrUid)
  return idempotencyKeyOf({ project, principal, key, method: verb, path, body })
}

interface Decided {
  readonly claims: StartClaims
  readonly idempotency: IdempotencyKey | undefined
}

function changeOf(
  request: ChangeRequest,
  { claims, idempotency }: Decided,
  { random, clock }: OperationPorts,
): ChangeInstance {
  const { body: _body, idempotencyKey: _key, ...asked } = request
  return {
    ...asked,
    ...claims,
    ...(idempotency === undefined ? {} : { idempotency }),
    operationId: operationId(random.uuid()),
    commandId: random.uuid(),
    stopDeadlineMs: request.verb === 'delete' ? farewellMs : stopDeadlineMs,
    nowMs: clock.nowMs(),
  }
}

const isAboutRoom = (verb: ChangeVerb) => verb === 'attachDisk' || verb === 'resizeDisk' || verb === 'suspend'
const noRoom =
  'The host of the instance has too little disk space left for this. Try again later, or ask for less.'

function answerTo(
  outcome: ChangeInstanceOutcome,
  { verb, project, idOrUid, idempotencyKey = '' }: ChangeRequest,
): Outcome<Accepted> | 'again' {
  switch (outcome.kind) {
    case 'accepted':
      return done(acceptedNow(outcome.instance))
    case 'replay':
    case 'other-request':
    case 'gone':
      return answerRepeat(idempotencyKey, outcome) ?? 'again'
    case 'not-found':
      return refuseInstance(project, idOrUid)
    case 'revision-mismatch':
      return refuse('REVISION_MISMATCH', { revision: outcome.revision })
    case 'wrong-state':
      return refuse('WRONG_STATE', { message: outcome.message })
    case 'quota-exceeded':
      return refuseQuota(outcome)
    case 'disk-refused':
      return refuse(outcome.reason, { message: outcome.message })
    case 'claim-lost':
      return isAboutRoom(verb) ? refuse('POOL_CAPACITY_EXCEEDED', { message: noRoom }) : 'again'
  }
}

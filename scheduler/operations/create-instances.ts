// Several creates as one, a gang: all of them or none. Each has its claims, operation and command as if alone; what binds
// them is one transaction. Out: the instances in the order of the request, or a refusal that names the one in the way.

import type { AdmittedInstance } from '../admission/admit.ts'
import type { BatchScheduling, InstanceRequest } from '../admission/instance-request.ts'
import { type Refusal, refuse } from '../errors.ts'
import type { CommitPlacement } from '../store/store.ts'
import { type Accepted, acceptedNow } from './accepted.ts'
import { admitBatch } from './admit-batch.ts'
import { withinBatch } from './batch-refusal.ts'
import { answerTo, type CreateInstance, commitOf, idempotencyOf } from './create-instance.ts'
import { answerRepeat } from './idempotency.ts'
import { itemAt } from './item-at.ts'
import { done, type Outcome } from './outcome.ts'
import { placeGangAroundHolds } from './place-gang.ts'
import type { OperationPorts } from './ports.ts'

export interface CreateInstances extends Omit<CreateInstance, 'body'> {
  readonly bodies: readonly InstanceRequest[]
}

/** As many fit into one transaction without others waiting long for their turn. */
export const maximumBatch = 64
const maximumAttempts = 5

export async function createInstances(
  request: CreateInstances,
  ports: OperationPorts,
): Promise<Outcome<readonly Accepted[]>> {
  const creates = request.bodies.map((body, index) => createOf(request, body, index))
  const repeated = await findRepeated(creates, ports)
  if (repeated !== undefined) return repeated
  for (let attempt = 1; attempt <= maximumAttempts; attempt += 1) {
    const decided = await decide(creates, request.batch, ports)
    if (decided.kind === 'refused') return decided
    const { commits, admissions } = decided.value
    const releases = commits.map((commit) => ports.fleet.hold(commit.hostId, commit))
    const outcome = await ports.store.commitPlacements(commits).finally(() => {
      for (const release of releases) release()
    })
    if (outcome.kind === 'committed') {
      for (const { hostId } of commits) ports.dispatch.nudge(hostId)
      return done(outcome.instances.map(acceptedNow))
    }
    const { index } = outcome
    const answer = answerTo(outcome.outcome, itemAt(creates, index), itemAt(admissions, index))
    if (answer !== 'again') {
      return answer.kind === 'refused' ? withinBatch(index, answer) : inTheMiddle(request)
    }
    if (outcome.outcome.kind === 'resource-gone') await ports.catalogue.refresh()
  }
  const message = 'Many creates compete for the same capacity at this moment; repeat the request in a second.'
  return refuse('TRY_AGAIN', { message })
}

/** Each item has a key of its own, made from that of the whole. */
function createOf(
  { bodies, idempotencyKey, ...request }: CreateInstances,
  body: InstanceRequest,
  index: number,
): CreateInstance {
  const key =
    idempotencyKey === undefined ? {} : { idempotencyKey: `${idempotencyKey}#${index}/${bodies.length}` }
  return { ...request, body, ...key }
}

/** They were committed together: where the first is known, all are. */
async function findRepeated(
  creates: readonly CreateInstance[],
  ports: OperationPorts,
): Promise<Outcome<readonly Accepted[]> | undefined> {
  const accepted: Accepted[] = []
  for (const [index, create] of creates.entries()) {
    const idempotency = idempotencyOf(create, ports.catalogue)
    if (idempotency === undefined) return undefined
    const known = await ports.store.findByIdempotencyKey(idempotency)
    const answer = answerRepeat(idempotency.key, known)
    if (answer === undefined) return undefined
    if (answer.kind === 'refused') return withinBatch(index, answer)
    accepted.push(answer.value)
  }
  return done(accepted)
}

interface Decided {
  readonly commits: readonly CommitPlacement[]
  readonly admissions: readonly AdmittedInstance[]
}

async function decide(
  creates: readonly CreateInstance[],
  { sameHostLabel }: BatchScheduling = {},
  ports: OperationPorts,
): Promise<Outcome<Decided>> {
  const admitted = await admitBatch(creates, ports)
  if (admitted.kind === 'refused') return admitted
  const admissions = admitted.value
  const placed = placeGangAroundHolds(admissions, sameHostLabel, ports)
  if (placed.kind === 'refused') return placed.refusal
  const commits = placed.members.map(({ admission, verdict }, index) => {
    const create = itemAt(creates, index)
    return commitOf(
      create,
      { admission, verdict, idempotency: idempotencyOf(create, ports.catalogue) },
      ports,
    )
  })
  return done({ commits, admissions })
}

/** A twin of this request has committed meanwhile. */
const inTheMiddle = ({ idempotencyKey = '' }: CreateInstances): Refusal =>
  refuse('TRY_AGAIN', {
    message: `Another request with the idempotency key ${idempotencyKey} is under way; repeat this one in a second.`,
  })

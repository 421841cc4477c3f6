// A create, from a request of the right shape to a durable placement: looked up, admitted, placed, committed, told to
// the host. In: the request and who asks. Out: the instance, or a refusal. Never: parses HTTP, writes SQL, waits for a
// host.
import { create } from '@bufbuild/protobuf'
import { CellShareSchema, GpuSchema } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type InstanceUid, instanceUid, projectId } from '../../proto/ids.ts'
import { type AdmittedInstance, admitInstance } from '../admission/admit.ts'
import type { BatchScheduling, InstanceRequest } from '../admission/instance-request.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import { refuse, refuseAll } from '../errors.ts'
import type { AuditEntry } from '../model/audit.ts'
import type { Catalogue, Project } from '../model/catalogue.ts'
import { inCells } from '../model/numa-cells.ts'
import type { PlacementVerdict } from '../model/placement.ts'
import type { CommitPlacement, CommitPlacementOutcome, IdempotencyKey } from '../store/store.ts'
import type { EnqueueInstanceOutcome } from '../store/waiting-store.ts'
import { type Accepted, acceptedNow } from './accepted.ts'
import { readAdmissionContext } from './admission-context.ts'
import { askedOf } from './asked-instance.ts'
import { enqueue } from './enqueue-instance.ts'
import { answerRepeat, idempotencyKeyOf } from './idempotency.ts'
import { done, type Outcome } from './outcome.ts'
import { placeAdmitted } from './place-admitted.ts'
import type { OperationPorts } from './ports.ts'
import { refuseQuota } from './quotas.ts'
import { refusePlacement } from './refuse-placement.ts'

export interface CreateInstance {
  readonly project: Project
  readonly body: InstanceRequest
  /** What is asked of all instances of its batch: a part of the request that its key stands for. */
  readonly batch?: BatchScheduling
  readonly principal: string
  readonly requestId: string
  readonly idempotencyKey?: string
  readonly serverHost: string
  /** What the audit is to say of it if it is accepted, so that it needs no flush of its own. */
  readonly audit?: AuditEntry
}

const maximumAttempts = 5

export async function createInstance(
  request: CreateInstance,
  ports: OperationPorts,
): Promise<Outcome<Accepted>> {
  const idempotency = idempotencyOf(request, ports.catalogue)
  if (idempotency === undefined) return createOnce(request, undefined, ports)
  // The second of two requests with one key must see what became of the first: alone it could be refused the room that
  // the first has just taken.
  const { project, principal, key } = idempotency
  return ports.turns.alone(JSON.stringify([project, principal, key]), async () => {
    const outcome = await createOnce(request, idempotency, ports)
    if (outcome.kind === 'done') return outcome
    // The commit knows a repeat by its key; what is refused before it may be one too.
    const earlier = await ports.store.findByIdempotencyKey(idempotency)
    return answerRepeat(key, earlier) ?? outcome
  })
}

async function createOnce(
  request: CreateInstance,
  idempotency: IdempotencyKey | undefined,
  ports: OperationPorts,
): Promise<Outcome<Accepted>> {
  for (let attempt = 1; attempt <= maximumAttempts; attempt += 1) {
    const uid = instanceUid(ports.random.uuid())
    const admission = admitInstance(request.body, await readAdmissionContext(request, uid, ports))
    if (admission.kind === 'refused') return refuseAll(admission.problems)

    const verdict = placeAroundHolds(admission, ports, uid)
    const mayWait = request.body.scheduling?.waitForCapacity === true
    if (verdict.kind === 'never-fits' || (verdict.kind === 'not-now' && !mayWait)) {
      return refusePlacement(verdict)
    }
    const decision = { admission, idempotency }
    const outcome =
      verdict.kind === 'placed'
        ? await commitHeld(commitOf(request, { ...decision, verdict }, ports), ports)
        : await enqueue(request, { ...decision, verdict }, ports)
    const answer = answerTo(outcome, request, admission)
    if (outcome.kind === 'committed') ports.dispatch.offer(outcome.instance.hostId, outcome.command)
    if (answer !== 'again') return answer
    if (outcome.kind === 'resource-gone') await ports.catalogue.refresh()
    ports.log.info({ requestId: request.requestId, attempt, outcome: outcome.kind }, 'Placing again.')
  }
  const message = 'Many creates compete for the same capacity at this moment; repeat the request in a second.'
  return refuse('TRY_AGAIN', { message })
}

/**
 * A hold may stand for what will come to nothing: it spreads requests, and refuses none. Where only holds are in the way,
 * the commit decides.
 */
function placeAroundHolds(
  admission: AdmittedInstance,
  { fleet, clock }: Pick<OperationPorts, 'fleet' | 'clock'>,
  seed: InstanceUid,
): PlacementVerdict {
  const nowMs = clock.nowMs()
  const verdict = placeAdmitted(admission, fleet, { seed, nowMs })
  if (verdict.kind !== 'not-now' || !fleet.hasHolds()) return verdict
  return fleet.withoutHolds((index) => placeAdmitted(admission, index, { seed, nowMs }))
}

/** Held until it is in the fleet, or has come to nothing. */
function commitHeld(
  commit: CommitPlacement,
  { store, fleet }: OperationPorts,
): Promise<CommitPlacementOutcome> {
  return store.commitPlacement(commit).finally(fleet.hold(commit.hostId, commit))
}

export function idempotencyOf(request: CreateInstance, catalogue: Catalogue): IdempotencyKey | undefined {
  const { idempotencyKey: key, principal, body, batch } = request
  if (key === undefined) return undefined
  const path = `${resourcePaths(catalogue.region).project(request.project.id)}/compute/instances`
  return idempotencyKeyOf({
    project: projectId(request.project.id),
    principal,
    key,
    method: 'POST',
    path,
    body: batch === undefined ? body : { ...body, batch },
  })
}

interface Decision {
  readonly admission: AdmittedInstance
  readonly verdict: Extract<PlacementVerdict, { kind: 'placed' }>
  readonly idempotency: IdempotencyKey | undefined
}

export function commitOf(
  request: CreateInstance,
  { admission, verdict, idempotency }: Decision,
  ports: OperationPorts,
): CommitPlacement {
  const asked = askedOf(request, { admission, idempotency }, ports)
  const { slotUid } = verdict
  const gpus = verdict.devices.map((device) => create(GpuSchema, device))
  const cells = (verdict.cells ?? []).map((share) => create(CellShareSchema, share))
  const demand = inCells(asked.demand, verdict.cells)
  return {
    ...asked,
    spec: { ...asked.spec, gpus, cells },
    hostId: verdict.hostId,
    demand: slotUid === undefined ? demand : { ...demand, slotUid },
    devices: verdict.devices.map((device) => device.address),
    explanation: verdict.explanation,
    statusMessage: 'Placed; preparation is about to begin.',
    commandId: ports.random.uuid(),
  }
}

export function answerTo(
  outcome: CommitPlacementOutcome | EnqueueInstanceOutcome,
  { body, idempotencyKey, audit }: CreateInstance,
  { id, addresses }: AdmittedInstance,
): Outcome<Accepted> | 'again' {
  switch (outcome.kind) {
    case 'committed':
    case 'waiting':
      return done({ ...acceptedNow(outcome.instance), isAudited: audit !== undefined })
    case 'replay':
    case 'other-request':
    case 'gone':
      return answerRepeat(idempotencyKey ?? '', outcome) ?? 'again'
    case 'name-taken':
      return body.id === undefined ? 'again' : refuse('NAME_TAKEN', { id }, 'id')
    case 'address-taken':
      return refuse('ADDRESS_IN_USE', { address: outcome.address }, `nics[${outcome.nic}].ipv4Address`)
    case 'addresses-exhausted': {
      const subnet = addresses[outcome.nic]?.ipv4Cidr ?? ''
      return refuse('ADDRESSES_EXHAUSTED', { subnet }, `nics[${outcome.nic}].subnet`)
    }
    case 'quota-exceeded':
      return refuseQuota(outcome)
    case 'queue-full':
      return refuse('QUEUE_FULL', { maximum: outcome.maximum }, 'scheduling.waitForCapacity')
    case 'disk-refused':
      return refuse(outcome.reason, { message: outcome.message }, 'disks')
    case 'claim-lost':
    case 'mac-taken':
    case 'resource-gone':
      return 'again'
  }
}

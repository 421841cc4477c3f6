// A create, from a request of the right shape to a durable placement: looked up, admitted, placed, committed, told to
// the host. In: the request and who asks. Out: the instance, or a refusal. Never: parses HTTP, writes SQL, waits for a
// host.
import { clone, create } from '@bufbuild/protobuf'
import { GpuSchema, InstanceSpecSchema } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type InstanceUid, instanceUid, type ProjectId } from '../../proto/ids.ts'
import { type AdmittedInstance, admitInstance } from '../admission/admit.ts'
import type { InstanceRequest } from '../admission/instance-request.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import { type Refusal, refuse, refuseAll } from '../errors.ts'
import type { Catalogue, Project } from '../model/catalogue.ts'
import type { InstanceRecord } from '../model/instance.ts'
import type { Demand, HostSnapshot, PlacementVerdict } from '../model/placement.ts'
import { place } from '../placement/index.ts'
import type { CommitPlacement, CommitPlacementOutcome, IdempotencyKey } from '../store/store.ts'
import { makeAdmissionContext } from './admission-context.ts'
import type { Holds } from './holds.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'
import { refusePlacement } from './refuse-placement.ts'
import { hashRequest } from './request-hash.ts'

export interface CreateInstance {
  readonly project: Project
  readonly body: InstanceRequest
  readonly principal: string
  readonly requestId: string
  readonly idempotencyKey?: string
  readonly serverHost: string
}

const maximumAttempts = 5
const stopDeadlineMs = 60_000

export async function createInstance(
  request: CreateInstance,
  ports: OperationPorts,
): Promise<Outcome<InstanceRecord>> {
  const idempotency = idempotencyOf(request, ports.catalogue)
  if (idempotency === undefined) return createOnce(request, undefined, ports)
  // The second of two requests with one key must see what became of the first: alone it could be refused the room that
  // the first has just taken.
  const { project, principal, key } = idempotency
  return ports.turns.alone(JSON.stringify([project, principal, key]), async () => {
    const earlier = await findEarlier(idempotency, ports)
    return earlier ?? createOnce(request, idempotency, ports)
  })
}

async function createOnce(
  request: CreateInstance,
  idempotency: IdempotencyKey | undefined,
  ports: OperationPorts,
): Promise<Outcome<InstanceRecord>> {
  for (let attempt = 1; attempt <= maximumAttempts; attempt += 1) {
    const uid = instanceUid(ports.random.uuid())
    const admission = admitInstance(request.body, makeAdmissionContext(request, uid, ports))
    if (admission.kind === 'refused') return refuseAll(admission.problems)

    const verdict = placeAroundHolds(admission.demand, await ports.fleet.snapshot(), {
      uid,
      holds: ports.holds,
    })
    if (verdict.kind !== 'placed') return refusePlacement(verdict)

    const commit = commitOf(request, { admission, verdict, idempotency }, ports)
    const outcome = await commitHeld(commit, ports)
    const answer = answerTo(outcome, request, admission)
    if (outcome.kind === 'committed') ports.dispatch.nudge(verdict.hostId)
    if (answer !== 'again') return answer
    ports.log.info({ requestId: request.requestId, attempt, outcome: outcome.kind }, 'Placing again.')
  }
  const message = 'Many creates compete for the same capacity at this moment; repeat the request in a second.'
  return refuse('TRY_AGAIN', { message })
}

/**
 * A hold may stand for what the snapshot shows already, or for what will come to nothing: it spreads requests, and
 * refuses none. Where only holds are in the way, the commit decides.
 */
function placeAroundHolds(
  demand: Demand,
  hosts: readonly HostSnapshot[],
  { uid, holds }: { uid: InstanceUid; holds: Holds },
): PlacementVerdict {
  const verdict = place(demand, holds.applyTo(hosts), uid)
  return verdict.kind === 'not-now' ? place(demand, hosts, uid) : verdict
}

/** Held until a snapshot shows it, or it has come to nothing. */
async function commitHeld(
  commit: CommitPlacement,
  { store, fleet, holds }: OperationPorts,
): Promise<CommitPlacementOutcome> {
  const release = holds.add(commit.hostId, commit)
  try {
    return await store.commitPlacement(commit)
  } finally {
    fleet.refresh().then(release, release)
  }
}

function idempotencyOf(request: CreateInstance, catalogue: Catalogue): IdempotencyKey | undefined {
  if (request.idempotencyKey === undefined) return undefined
  const path = `${resourcePaths(catalogue.region).project(request.project.id)}/compute/instances`
  return {
    project: request.project.id as ProjectId,
    principal: request.principal,
    key: request.idempotencyKey,
    requestHash: hashRequest({ method: 'POST', path, body: request.body }),
  }
}

/** A repeated request is answered before anything is checked: what it asks for may have changed meanwhile. */
async function findEarlier(
  idempotency: IdempotencyKey,
  { store }: OperationPorts,
): Promise<Outcome<InstanceRecord> | undefined> {
  const earlier = await store.findByIdempotencyKey(idempotency)
  if (earlier.kind === 'replay') return done(earlier.instance)
  if (earlier.kind === 'other-request') return refuseReuse(idempotency.key)
  if (earlier.kind === 'gone') return refuseSpent(idempotency.key, earlier.uid)
  return undefined
}

const refuseSpent = (key: string, uid: InstanceUid): Refusal => refuse('IDEMPOTENCY_KEY_SPENT', { key, uid })
const refuseReuse = (key: string): Refusal => refuse('IDEMPOTENCY_KEY_REUSED', { key })

interface Decision {
  readonly admission: AdmittedInstance
  readonly verdict: Extract<PlacementVerdict, { kind: 'placed' }>
  readonly idempotency: IdempotencyKey | undefined
}

function commitOf(
  request: CreateInstance,
  { admission, verdict, idempotency }: Decision,
  { random, clock }: OperationPorts,
): CommitPlacement {
  const { details, demand, addresses, id } = admission
  const spec = clone(InstanceSpecSchema, admission.spec)
  spec.gpus = verdict.devices.map((device) => create(GpuSchema, device))
  return {
    ...(idempotency === undefined ? {} : { idempotency }),
    uid: instanceUid(spec.uid),
    project: request.project.id as ProjectId,
    id,
    details,
    spec,
    addresses,
    hostId: verdict.hostId,
    demand,
    devices: verdict.devices.map((device) => device.address),
    explanation: verdict.explanation,
    statusMessage: 'Placed; preparation is about to begin.',
    commandId: random.uuid(),
    requestId: request.requestId,
    stopDeadlineMs,
    nowMs: clock.nowMs(),
  }
}

function answerTo(
  outcome: CommitPlacementOutcome,
  { body, idempotencyKey }: CreateInstance,
  { id, addresses }: AdmittedInstance,
): Outcome<InstanceRecord> | 'again' {
  switch (outcome.kind) {
    case 'committed':
    case 'replay':
      return done(outcome.instance)
    case 'other-request':
      return refuseReuse(idempotencyKey ?? '')
    case 'gone':
      return refuseSpent(idempotencyKey ?? '', outcome.uid)
    case 'name-taken':
      return body.id === undefined ? 'again' : refuse('NAME_TAKEN', { id }, 'id')
    case 'address-taken':
      return refuse('ADDRESS_IN_USE', { address: outcome.address }, `nics[${outcome.nic}].ipv4Address`)
    case 'addresses-exhausted': {
      const subnet = addresses[outcome.nic]?.ipv4Cidr ?? ''
      return refuse('ADDRESSES_EXHAUSTED', { subnet }, `nics[${outcome.nic}].subnet`)
    }
    case 'claim-lost':
      return 'again'
  }
}

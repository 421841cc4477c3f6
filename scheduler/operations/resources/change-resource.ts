// Makes, changes and deletes resources that no host has to do anything for: they are finished when this resolves. In: what
// is to be, and who asks. Out: the resource, or a refusal. Never: knows what kinds there are.
import { projectId } from '../../../proto/ids.ts'
import { type Refusal, refuse } from '../../errors.ts'
import { type Collection, collections, type ResourceMeta, type StoredResource } from '../../model/resource.ts'
import type {
  CreateResource,
  CreateResourcesOutcome,
  DeleteResourcesOutcome,
  HostsLackFeature,
  ResourceKeyOutcome,
  UpdateResourceOutcome,
} from '../../store/resource-store.ts'
import type { IdempotencyKey } from '../../store/store.ts'
import { idempotencyKeyOf } from '../idempotency.ts'
import { done, type Outcome } from '../outcome.ts'
import type { OperationPorts } from '../ports.ts'
import { refuseQuota } from '../quotas.ts'

/** Who asks for what. */
export interface ResourceRequest {
  /** '' outside of projects: keys are remembered apart. */
  readonly project: string
  readonly principal: string
  readonly requestId: string
  readonly idempotencyKey?: string
  readonly ifRevision?: number
  readonly method: string
  readonly path: string
  readonly body: unknown
}

type Ports = Pick<OperationPorts, 'store' | 'catalogue'>
const maximumAttempts = 3

/** The one that is asked for, and what is made with it. */
export type Planned = Outcome<readonly CreateResource[]>

/** The first of them is the one that was asked for. `plan` is asked again where something has gone meanwhile. */
export async function makeResources(
  request: ResourceRequest,
  plan: () => Planned | Promise<Planned>,
  ports: Ports,
): Promise<Outcome<StoredResource>> {
  const idempotency = keyOf(request)
  const repeated = await findRepeated(idempotency, ports)
  if (repeated !== undefined) return repeated
  for (let attempt = 1; attempt <= maximumAttempts; attempt += 1) {
    const planned = await plan()
    if (planned.kind === 'refused') return planned
    const [asked, ...others] = planned.value
    if (asked === undefined) throw new Error('A plan for a resource has nothing in it.')
    const { requestId } = request
    const first = idempotency === undefined ? { ...asked, requestId } : { ...asked, requestId, idempotency }
    const outcome = await ports.store.createResources([first, ...others])
    await ports.catalogue.refresh()
    if (outcome.kind === 'created') return firstOf(outcome.resources)
    const refusal = refuseCreate(outcome, request, asked)
    if (refusal !== 'again') return refusal
  }
  return refuse('TRY_AGAIN', {
    message: 'What it needs changes at this moment; repeat the request.',
  })
}

function firstOf([first]: readonly StoredResource[]): Outcome<StoredResource> {
  if (first === undefined) throw new Error('The store made nothing of a resource.')
  return done(first)
}

export interface Subject {
  readonly collection: Collection
  readonly id: string
  readonly meta: ResourceMeta
}

/** A shallow merge patch of the body. */
export async function updateResource(
  request: ResourceRequest,
  { subject, patch, nowMs }: { subject: Subject; patch: Readonly<Record<string, unknown>>; nowMs: number },
  ports: Ports,
): Promise<Outcome<StoredResource>> {
  const idempotency = keyOf(request)
  const repeated = await findRepeated(idempotency, ports)
  if (repeated !== undefined) return repeated
  if (subject.meta.isDeclared) return refuseDeclared(subject)
  const outcome = await ports.store.updateResource({
    ...(idempotency === undefined ? {} : { idempotency }),
    ...(request.ifRevision === undefined ? {} : { ifRevision: request.ifRevision }),
    ...{ uid: subject.meta.uid, patch, requestId: request.requestId, nowMs },
  })
  await ports.catalogue.refresh()
  return answerUpdate(outcome, request, subject)
}

/** `before` are resources that go with it. */
export async function deleteResource(
  request: ResourceRequest,
  { subject, before = [], nowMs }: { subject: Subject; before?: readonly Subject[]; nowMs: number },
  ports: Ports,
): Promise<Outcome<undefined>> {
  const { ifRevision, requestId } = request
  const declared = [...before, subject].find(({ meta }) => meta.isDeclared)
  if (declared !== undefined) return refuseDeclared(declared)
  const idempotency = keyOf(request)
  const outcome = await ports.store.deleteResources([
    ...before.map(({ meta }) => ({ uid: meta.uid, requestId, nowMs })),
    {
      ...(idempotency === undefined ? {} : { idempotency }),
      ...(ifRevision === undefined ? {} : { ifRevision }),
      ...{ uid: subject.meta.uid, requestId, nowMs },
    },
  ])
  await ports.catalogue.refresh()
  return answerDelete(outcome, request, subject)
}

/** Of a delete whose resource is gone: whether it was this very request that deleted it. */
export async function wasDeletedBy(request: ResourceRequest, { store }: Ports): Promise<boolean> {
  const idempotency = keyOf(request)
  return idempotency !== undefined && (await store.findResourceByKey(idempotency)).kind === 'gone'
}

function keyOf({ idempotencyKey: key, project, ...request }: ResourceRequest): IdempotencyKey | undefined {
  if (key === undefined) return undefined
  const { principal, method, path, body } = request
  return idempotencyKeyOf({ project: projectId(project), principal, key, method, path, body })
}

async function findRepeated(
  idempotency: IdempotencyKey | undefined,
  { store }: Ports,
): Promise<Outcome<StoredResource> | undefined> {
  if (idempotency === undefined) return undefined
  return answerRepeat(await store.findResourceByKey(idempotency), idempotency.key)
}

function answerRepeat(outcome: ResourceKeyOutcome, key: string): Outcome<StoredResource> | undefined {
  switch (outcome.kind) {
    case 'unused':
      return undefined
    case 'replay':
      return done(outcome.resource)
    case 'other-request':
      return refuse('IDEMPOTENCY_KEY_REUSED', { key })
    case 'gone':
      return refuse('IDEMPOTENCY_KEY_SPENT', { key, uid: outcome.uid })
  }
}

const refuseLacking = ({ need, hosts }: HostsLackFeature): Refusal =>
  need.field === 'internetAccess'
    ? refuse('INTERNET_ACCESS_UNSUPPORTED', { hosts }, need.field)
    : refuse('FIREWALL_UNSUPPORTED', { hosts }, need.field)

const refuseDeclared = ({ collection, id }: Subject): Refusal =>
  refuse('RESOURCE_DECLARED', { noun: collections[collection], id })

function refuseCreate(
  outcome: Exclude<CreateResourcesOutcome, { kind: 'created' }>,
  { idempotencyKey = '' }: ResourceRequest,
  { collection, taking }: CreateResource,
): Outcome<StoredResource> | 'again' {
  switch (outcome.kind) {
    case 'replay':
    case 'other-request':
    case 'gone':
      return answerRepeat(outcome, idempotencyKey) ?? 'again'
    case 'name-taken':
      return refuse('NAME_TAKEN', { noun: collections[collection], id: outcome.id }, 'id')
    case 'parent-gone':
    case 'claim-lost':
      return 'again'
    case 'quota-exceeded':
      return refuseQuota(outcome)
    case 'vlan-taken':
      return refuse('VLAN_IN_USE', { vlan: outcome.vlan }, 'vlan')
    case 'vlans-exhausted':
      return refuse('VLANS_EXHAUSTED', {})
    case 'cidr-overlaps':
      return refuse('SUBNET_OVERLAPS', outcome, outcome.field)
    case 'cidrs-exhausted':
      return refuse('SUBNETS_EXHAUSTED', { pool: taking?.kind === 'cidr' ? taking.pool : '' }, 'ipv4Cidr')
    case 'has-subnet':
      return refuse('NETWORK_HAS_SUBNET', outcome, 'network')
    case 'hosts-lack-feature':
      return refuseLacking(outcome)
    case 'pci-id-taken':
      return refuse('PCI_ID_IN_USE', outcome, 'pciIds')
    case 'address-taken':
      return refuse('ADDRESS_IN_USE', { address: outcome.address }, 'address')
    case 'addresses-exhausted':
      return refuse(
        'ADDRESSES_EXHAUSTED',
        { subnet: taking?.kind === 'address' ? taking.ipv4Cidr : '' },
        'subnet',
      )
  }
}

function answerUpdate(
  outcome: UpdateResourceOutcome,
  { idempotencyKey = '' }: ResourceRequest,
  subject: Subject,
): Outcome<StoredResource> {
  switch (outcome.kind) {
    case 'updated':
      return done(outcome.resource)
    case 'not-found':
      return refuseMissing(subject)
    case 'revision-mismatch':
      return refuse('REVISION_MISMATCH', { revision: outcome.revision })
    case 'hosts-lack-feature':
      return refuseLacking(outcome)
    case 'pci-id-taken':
      return refuse('PCI_ID_IN_USE', outcome, 'pciIds')
    case 'in-use': {
      const { collection, id } = subject
      return refuse('RESOURCE_IN_USE', { noun: collections[collection], id, by: outcome.by }, 'pciIds')
    }
    default:
      return answerRepeat(outcome, idempotencyKey) ?? refuseMissing(subject)
  }
}

function answerDelete(
  outcome: DeleteResourcesOutcome,
  { idempotencyKey = '' }: ResourceRequest,
  { collection, id }: Subject,
): Outcome<undefined> {
  switch (outcome.kind) {
    case 'deleted':
    case 'gone':
      return done(undefined)
    case 'other-request':
      return refuse('IDEMPOTENCY_KEY_REUSED', { key: idempotencyKey })
    case 'not-found':
      return refuseMissing({ collection, id })
    case 'revision-mismatch':
      return refuse('REVISION_MISMATCH', { revision: outcome.revision })
    case 'in-use':
      return refuse('RESOURCE_IN_USE', { noun: collections[collection], id, by: outcome.by })
  }
}

const refuseMissing = ({ collection, id }: Pick<Subject, 'collection' | 'id'>): Refusal => {
  const noun = collections[collection]
  const what = `${noun.charAt(0).toUpperCase()}${noun.slice(1)}`
  return refuse('NOT_FOUND', { what, id, where: 'this region' })
}
